// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/udp_channel.h"

#include <arpa/inet.h>
#include <deque>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <set>
#include <string>
#include <unistd.h>

namespace loadgen
{
namespace
{

constexpr int64_t timeout_ns = 1'000'000'000;
constexpr int wait_ms = 5000;

// A server on loopback that answers when, what and as often as the test says.
class UdpChannelTest : public testing::Test
{
  protected:
    void SetUp() override
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        server_ = Fd(socket(AF_INET, SOCK_DGRAM, 0));
        ASSERT_EQ(bind(server_.get(), reinterpret_cast<sockaddr *>(&address), size), 0);
        ASSERT_EQ(getsockname(server_.get(), reinterpret_cast<sockaddr *>(&address), &size), 0);

        auto endpoint = resolve("127.0.0.1", ntohs(address.sin_port));
        ASSERT_TRUE(endpoint);
        endpoint_ = *endpoint;
        auto sizes = SizeDistribution::parse("32");
        auto content = Content::make(1000, 8, *sizes);
        ASSERT_TRUE(content);
        content_.push_back(*content);
    }

    UdpChannel open(uint32_t depth)
    {
        auto channel = UdpChannel::open(endpoint_, depth, timeout_ns);
        return std::move(*channel);
    }

    void send_get(UdpChannel &channel, uint64_t key)
    {
        ASSERT_TRUE(channel.has_room());
        channel.get(content_[0], {{key, 1}}, 0);
        auto sent = channel.flush();
        ASSERT_TRUE(sent);
        ASSERT_EQ(*sent, 1U);
    }

    struct Datagram {
        std::string bytes;
        sockaddr_in from;

        uint16_t id() const { return read_frame_header(bytes)->request_id; }
    };
    Datagram receive_at_server() const
    {
        char buffer[2048];
        Datagram datagram{};
        socklen_t size = sizeof(datagram.from);
        pollfd ready{server_.get(), POLLIN, 0};
        EXPECT_EQ(poll(&ready, 1, wait_ms), 1);
        const ssize_t n = recvfrom(server_.get(), buffer, sizeof(buffer), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr *>(&datagram.from), &size);
        datagram.bytes.assign(buffer, n > 0 ? static_cast<size_t>(n) : 0);
        return datagram;
    }
    void answer(const Datagram &request, const std::string &bytes) const
    {
        sendto(server_.get(), bytes.data(), bytes.size(), 0,
               reinterpret_cast<const sockaddr *>(&request.from), sizeof(request.from));
    }
    void answer(const Datagram &request) const
    {
        answer(request, request.bytes.substr(0, 8) + "END\r\n");
    }

    static UdpChannel::Reply receive_at_client(UdpChannel &channel)
    {
        std::vector<UdpChannel::Reply> replies;
        pollfd ready{channel.fd(), POLLIN, 0};
        EXPECT_EQ(poll(&ready, 1, wait_ms), 1);
        auto received = channel.receive(replies);
        EXPECT_TRUE(received);
        EXPECT_EQ(replies.size(), 1U);
        return replies.empty() ? UdpChannel::Reply{} : replies[0];
    }

    Fd server_;
    Endpoint endpoint_{};
    std::vector<Content> content_;
};

TEST_F(UdpChannelTest, ReplyIsMatchedToItsRequest)
{
    UdpChannel channel = open(2);
    send_get(channel, 5);
    send_get(channel, 6);
    EXPECT_FALSE(channel.has_room());
    const Datagram first = receive_at_server();
    const Datagram second = receive_at_server();
    EXPECT_NE(first.id(), second.id());

    answer(second);
    UdpChannel::Reply reply = receive_at_client(channel);
    EXPECT_EQ(reply.kind, UdpChannel::Kind::reply);
    EXPECT_EQ(reply.request->keys.at(0).key, 6U);
    EXPECT_EQ(reply.request->keys.at(0).oldest, 1U);
    EXPECT_GT(reply.request->start_ns, 0);
    EXPECT_EQ(reply.datagram, second.bytes.substr(0, 8) + "END\r\n");
    EXPECT_TRUE(channel.has_room());

    answer(first);
    reply = receive_at_client(channel);
    EXPECT_EQ(reply.kind, UdpChannel::Kind::reply);
    EXPECT_EQ(reply.request->keys.at(0).key, 5U);
    EXPECT_TRUE(channel.idle());
}

TEST_F(UdpChannelTest, SecondReplyAndUnknownIdsAreStray)
{
    UdpChannel channel = open(1);
    send_get(channel, 5);
    const Datagram request = receive_at_server();
    answer(request);
    EXPECT_EQ(receive_at_client(channel).kind, UdpChannel::Kind::reply);
    answer(request);
    EXPECT_EQ(receive_at_client(channel).kind, UdpChannel::Kind::stray);
    answer(request, std::string("\xff\xff\0\0\0\1\0\0END\r\n", 13));
    EXPECT_EQ(receive_at_client(channel).kind, UdpChannel::Kind::stray);
    answer(request, "short");
    EXPECT_EQ(receive_at_client(channel).kind, UdpChannel::Kind::stray);
}

TEST_F(UdpChannelTest, LateReplyIsRecognisedAndItsIdWithheld)
{
    UdpChannel channel = open(1);
    send_get(channel, 5);
    const Datagram lost = receive_at_server();
    EXPECT_EQ(*channel.expire(now_ns()), 0U);
    EXPECT_LE(channel.next_expiry(), now_ns() + timeout_ns);
    EXPECT_EQ(*channel.expire(now_ns() + timeout_ns), 1U);
    EXPECT_TRUE(channel.idle());

    // All other ids come before the lost one's may be used again.
    std::set<uint16_t> ids;
    for (int i = 0; i < 5000; i++) {
        send_get(channel, 6);
        const Datagram request = receive_at_server();
        ids.insert(request.id());
        answer(request);
        ASSERT_EQ(receive_at_client(channel).kind, UdpChannel::Kind::reply);
    }
    EXPECT_EQ(ids.count(lost.id()), 0U);
    EXPECT_EQ(ids.size(), 4095U);

    answer(lost);
    const UdpChannel::Reply reply = receive_at_client(channel);
    EXPECT_EQ(reply.kind, UdpChannel::Kind::late);
    EXPECT_EQ(reply.request->keys.at(0).key, 5U);
    EXPECT_TRUE(channel.idle());
    answer(lost);
    EXPECT_EQ(receive_at_client(channel).kind, UdpChannel::Kind::stray);
}

TEST_F(UdpChannelTest, TooManyLostRequestsMoveToAnotherPort)
{
    UdpChannel channel = open(16);
    std::set<uint16_t> ports;
    std::set<std::pair<uint16_t, uint16_t>> used; // port and id
    Datagram first{};

    for (int i = 0; i < 10000; i++) {
        send_get(channel, 5);
        const Datagram request = receive_at_server();
        if (i == 0)
            first = request;
        ports.insert(request.from.sin_port);
        EXPECT_TRUE(used.emplace(request.from.sin_port, request.id()).second) << i;
        EXPECT_EQ(*channel.expire(now_ns() + timeout_ns), 1U);
    }
    EXPECT_GT(ports.size(), 2U);

    // What comes for the first port no longer reaches the channel.
    answer(first);
    send_get(channel, 6);
    answer(receive_at_server());
    const UdpChannel::Reply reply = receive_at_client(channel);
    EXPECT_EQ(reply.kind, UdpChannel::Kind::reply);
    EXPECT_EQ(reply.request->keys.at(0).key, 6U);
}

TEST_F(UdpChannelTest, ClosedServerPortOnlyLosesRequests)
{
    UdpChannel channel = open(4);
    server_ = Fd();
    for (int i = 0; i < 4; i++)
        send_get(channel, 5);
    std::vector<UdpChannel::Reply> replies;
    auto received = channel.receive(replies);
    ASSERT_TRUE(received);
    EXPECT_TRUE(replies.empty());
    EXPECT_EQ(*channel.expire(now_ns() + timeout_ns), 4U);
}

// What memcached-sr and upstream memcached send for a get of two keys.
TEST_F(UdpChannelTest, PartsOfAReplyToSeveralKeysArePutTogether)
{
    for (const bool numbered : {true, false}) {
        auto opened = UdpChannel::open(endpoint_, 1, timeout_ns, true);
        ASSERT_TRUE(opened);
        UdpChannel channel = std::move(*opened);
        channel.get(content_[0], {{5, 1}, {6, 1}}, 0);
        ASSERT_TRUE(channel.flush());
        const Datagram request = receive_at_server();
        const auto part = [&](uint16_t sequence, const std::string &text) {
            std::string bytes(frame_header_size, '\0');
            write_frame_header({request.id(), numbered ? sequence : uint16_t{0},
                                numbered ? uint16_t{2} : uint16_t{1}, 0},
                               bytes.data());
            return bytes + text;
        };

        answer(request, part(0, "first\r\n"));
        std::vector<UdpChannel::Reply> replies;
        pollfd ready{channel.fd(), POLLIN, 0};
        EXPECT_EQ(poll(&ready, 1, wait_ms), 1);
        ASSERT_TRUE(channel.receive(replies));
        EXPECT_TRUE(replies.empty());
        answer(request, part(1, "END\r\n"));
        const UdpChannel::Reply reply = receive_at_client(channel);
        EXPECT_EQ(reply.kind, UdpChannel::Kind::reply);
        EXPECT_EQ(reply.datagram, request.bytes.substr(0, 8) + "first\r\nEND\r\n");
        EXPECT_TRUE(channel.idle());
    }
}

} // namespace
} // namespace loadgen
