// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/client.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

namespace bmc
{
namespace
{

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

/// A server on 127.0.0.1 that sends these pieces to its first client, whatever that
/// asks, each when the one before was acknowledged.
class Script
{
  public:
    explicit Script(std::vector<std::string> pieces, bool close = false)
        : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), pieces_(std::move(pieces)),
          close_(close)
    {
        sockaddr_in here = {};
        socklen_t size = sizeof here;

        here.sin_family = AF_INET;
        here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr *>(&here), sizeof here), 0);
        EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr *>(&here), &size), 0);
        EXPECT_EQ(listen(listener_.get(), 1), 0);
        socket_.family = AF_INET;
        socket_.type = SOCK_STREAM;
        socket_.address = *parse_address("127.0.0.1");
        socket_.port = ntohs(here.sin_port);
        thread_ = std::jthread([this] { serve(); });
    }

    const ServerSocket &socket() const { return socket_; }

  private:
    void serve()
    {
        connection_ = Fd(accept(listener_.get(), nullptr, nullptr));
        for (const std::string &piece : pieces_)
            send(connection_.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
        if (close_)
            shutdown(connection_.get(), SHUT_WR);
    }

    Fd listener_;
    Fd connection_;
    std::vector<std::string> pieces_;
    bool close_;
    ServerSocket socket_;
    std::jthread thread_;
};

constexpr std::chrono::seconds long_enough{20};
constexpr std::chrono::milliseconds short_time{50};

MemcachedClient client_of(const Script &script, std::chrono::milliseconds limit = long_enough)
{
    auto client = MemcachedClient::connect(script.socket(), limit);

    EXPECT_TRUE(client) << client.error().line();
    return std::move(*client);
}

TEST(MemcachedClient, ReadsStatsInAnyPieces)
{
    const Script script({"STA", "T pid 1", "2\r\nSTAT inter \r", "\nSTAT x a b\r\nE", "ND\r\n"});
    MemcachedClient client = client_of(script);
    const auto stats = client.stats();

    ASSERT_TRUE(stats) << stats.error().line();
    EXPECT_THAT(*stats, ElementsAre(Pair("inter", ""), Pair("pid", "12"), Pair("x", "a b")));
}

TEST(MemcachedClient, RefusesWhatIsNoAnswer)
{
    const std::pair<std::string, std::string> cases[] = {
        {"SSH-2.0-OpenSSH\r\n", "it answers 'SSH-2.0-OpenSSH'"},
        {"CLIENT_ERROR unauthenticated\r\n", "unauthenticated"},
        {std::string(100'000, 'x'), "does not talk as memcached"},
    };

    for (const auto &[bytes, why] : cases) {
        const Script script({bytes}, true);
        MemcachedClient client = client_of(script);
        const auto stats = client.stats();
        ASSERT_FALSE(stats);
        EXPECT_THAT(stats.error().line(), HasSubstr(why));
    }
}

TEST(MemcachedClient, SaysThatTheConnectionWasClosed)
{
    const Script script({"STAT pid 1\r\n"}, true);
    MemcachedClient client = client_of(script);
    const auto stats = client.stats();

    ASSERT_FALSE(stats);
    EXPECT_THAT(stats.error().line(), HasSubstr("closed the connection"));
}

TEST(MemcachedClient, DoesNotWaitForEver)
{
    const Script script({"STAT pid 1\r\n"});
    MemcachedClient client = client_of(script, short_time);
    const auto stats = client.stats();

    ASSERT_FALSE(stats);
    EXPECT_EQ(stats.error().code, ETIMEDOUT);
}

TEST(MemcachedClient, NobodyListens)
{
    ServerSocket nobody;
    {
        const Script script({});
        nobody = script.socket();
        client_of(script);
    }
    const auto client = MemcachedClient::connect(nobody, long_enough);

    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ECONNREFUSED);
}

TEST(MemcachedClient, SaysWhyThereIsNoDump)
{
    const std::pair<std::string, int> cases[] = {
        {"BUSY currently processing crawler request\r\n", EBUSY},
        {"CLIENT_ERROR lru crawler disabled\r\n", 0},
        {"key=a exp=x la=1\r\n", 0},
        {"key=a%4 exp=1 la=1\r\n", 0},
        {"key=a%4g exp=1 la=1\r\n", 0},
    };

    for (const auto &[bytes, code] : cases) {
        const Script script({bytes});
        MemcachedClient client = client_of(script);
        pollfd readable = {client.fd(), POLLIN, 0};
        ASSERT_TRUE(client.start_dump());
        ASSERT_EQ(poll(&readable, 1, 20'000), 1);
        const auto done = client.read_dump([](std::string_view, int64_t) {});
        ASSERT_FALSE(done) << bytes;
        EXPECT_EQ(done.error().code, code) << bytes;
    }
}

} // namespace
} // namespace bmc
