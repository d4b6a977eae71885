// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/ask_version.h"

#include <array>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bmc/lib/fd.h"

namespace bmc
{
namespace
{

using namespace std::string_view_literals;

/// Generous, for answers that do come.
constexpr std::chrono::seconds long_enough{20};

/// A UDP socket on 127.0.0.1 that answers one datagram.
class Answerer
{
  public:
    Answerer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_in here = {};
        socklen_t size = sizeof here;

        here.sin_family = AF_INET;
        here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr *>(&here), sizeof here), 0);
        EXPECT_EQ(getsockname(socket_.get(), reinterpret_cast<sockaddr *>(&here), &size), 0);
        port_ = ntohs(here.sin_port);
    }

    Endpoint endpoint() const { return {*parse_address("127.0.0.1"), port_}; }

    /// Waits for a datagram and answers it, and returns what came.
    std::string answer(std::string_view reply) const
    {
        std::array<char, 100> datagram = {};
        sockaddr_in from = {};
        socklen_t size = sizeof from;
        const ssize_t got = recvfrom(socket_.get(), datagram.data(), datagram.size(), 0,
                                     reinterpret_cast<sockaddr *>(&from), &size);
        EXPECT_GT(got, 0);
        EXPECT_EQ(sendto(socket_.get(), reply.data(), reply.size(), 0,
                         reinterpret_cast<const sockaddr *>(&from), size),
                  static_cast<ssize_t>(reply.size()));
        return {datagram.data(), static_cast<size_t>(got)};
    }

    void close() { socket_.close(); }

  private:
    Fd socket_;
    uint16_t port_ = 0;
};

VersionAnswer ask(const Answerer &answerer, std::string_view reply)
{
    std::string request;
    std::thread thread([&] { request = answerer.answer(reply); });
    const auto answers = ask_version({answerer.endpoint()}, long_enough);

    thread.join();
    EXPECT_EQ(request, "\0\0\0\0\0\1\0\0version\r\n"sv);
    EXPECT_EQ(answers.size(), 1U);
    return answers.front();
}

TEST(AskVersion, TakesTheAnswerOfMemcached)
{
    const Answerer answerer;
    const VersionAnswer answer = ask(answerer, "\0\0\0\0\0\1\0\0VERSION 1.6.38\r\n"sv);

    EXPECT_EQ(answer.version, "1.6.38");
    EXPECT_EQ(answer.why, "");
}

TEST(AskVersion, DoesNotTakeOthers)
{
    for (const std::string_view reply :
         {"\0\1\0\0\0\1\0\0VERSION 1.6.38\r\n"sv, "\0\0\0\0\0\2\0\0VERSION 1.6.38\r\n"sv,
          "VERSION 1.6.38\r\n"sv, "\0\0\0\0\0\1\0\0ERROR\r\n"sv, "\0\0\0\0\0\1\0\0VERSION 1.6"sv,
          "\0\0\0\0\0\1\0\0VERSION \r\n"sv, "\0\0\0\0\0\1\0\0VERSION 1\33[2J\r\n"sv,
          "\0\0\0\0\0\1\0\0VERSION "sv, "\0\0\0\0\0\1\0\0"sv, "x"sv, ""sv}) {
        const Answerer answerer;
        const VersionAnswer answer = ask(answerer, reply);

        EXPECT_EQ(answer.version, "") << reply;
        EXPECT_EQ(answer.why, "what answers is no memcached") << reply;
    }
}

TEST(AskVersion, SaysWhatIsInTheWay)
{
    Answerer closed;
    closed.close();
    EXPECT_EQ(ask_version({closed.endpoint()}, long_enough).front().why, "nothing listens");

    const Answerer silent;
    EXPECT_EQ(ask_version({silent.endpoint()}, std::chrono::milliseconds(1)).front().why,
              "no answer");
    EXPECT_TRUE(ask_version({}, long_enough).empty());
}

TEST(Endpoint, IsWrittenAsUsual)
{
    EXPECT_EQ((Endpoint{*parse_address("10.0.0.1"), 11211}).text(), "10.0.0.1:11211");
    EXPECT_EQ((Endpoint{*parse_address("fd00::1"), 1}).text(), "[fd00::1]:1");
}

} // namespace
} // namespace bmc
