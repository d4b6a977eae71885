// SPDX-License-Identifier: BSD-3-Clause
//
// Whatever changes what a GET would return is seen by the next GET over UDP.

#include <array>
#include <chrono>
#include <ctime>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>

#include <fmt/format.h>

#include "tests/e2e/fixture.h"
#include "tests/harness/error.h"

namespace bmc::test
{
namespace
{

using namespace std::chrono_literals;

class Writes : public E2e
{
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, Writes, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, Writes, with_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(StockWithoutCache, Writes, stock_without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(StockWithCache, Writes, stock_with_cache, setup_name);

TEST_P(Writes, Row01Expiry)
{
    // Of stock memcached nothing is cached for some seconds around an exptime: they are
    // not known exactly.
    const int life = stock() ? 7 : 2;
    const std::string stays = cached_key("stays", "value");
    const std::string relative = cached_key("relative", "value", 0, life);
    const std::string absolute =
        cached_key("absolute", "value", 0, static_cast<int>(std::time(nullptr)) + life);
    const std::string negative = cached_key("negative", "value");
    const std::string touched = cached_key("touched", "value");
    const std::string touched_again = cached_key("touched-again", "value");
    const std::string got = cached_key("got", "value");
    const std::string meta = cached_key("meta", "value");
    const std::string prolonged = cached_key("prolonged", "value", 0, life);

    expect_tcp("touch " + prolonged + " 100", "TOUCHED");
    warm(prolonged, "value");
    store(negative, "value", 0, -1);
    expect_udp(get(negative), "END\r\n");
    expect_tcp("touch " + touched + " 1", "TOUCHED");
    expect_tcp(fmt::format("touch {} {}", touched_again, life), "TOUCHED");
    warm(touched_again, "value");
    expect_tcp(fmt::format("gat {} {}", life, got), value_block(got, "value") + "END");
    warm(got, "value");
    expect_tcp(fmt::format("mg {} T{}", meta, life), "HD");
    warm(meta, "value");

    std::this_thread::sleep_for(std::chrono::seconds(life) + 1500ms);
    for (const std::string &k : {relative, absolute, negative, touched, touched_again, got, meta})
        expect_udp(get(k), "END\r\n");
    expect_hit(get(stays), value_reply(stays, "value"));
    expect_hit(get(prolonged), value_reply(prolonged, "value"));
}

// A command that writes key {}, and what is there afterwards. Before it, the
// key holds "10" with flags 0.
struct Write {
    const char *name;
    const char *command;
    const char *reply;
    const char *value; // null: absent
    unsigned flags = 0;
};

constexpr Write writes_to_present_key[] = {
    {"set", "set {} 5 0 3\r\nnew", "STORED", "new", 5},
    {"set-noop", "set {} 0 0 2\r\n10", "STORED", "10"},
    {"set-empty", "set {} 0 0 0\r\n", "STORED", ""},
    {"replace", "replace {} 5 0 3\r\nnew", "STORED", "new", 5},
    {"append", "append {} 0 0 2\r\nxy", "STORED", "10xy"},
    {"prepend", "prepend {} 0 0 2\r\nxy", "STORED", "xy10"},
    {"add-present", "add {} 5 0 3\r\nnew", "NOT_STORED", "10"},
    {"cas-wrong", "cas {} 0 0 3 1\r\nnew", "EXISTS", "10"},
    {"incr", "incr {} 5", "15", "15"},
    {"incr-longer", "incr {} 990", "1000", "1000"},
    {"decr", "decr {} 1", "9", "9 "},
    {"delete", "delete {}", "DELETED", nullptr},
    {"touch", "touch {} 100", "TOUCHED", "10"},
    {"touch-expire", "touch {} -1", "TOUCHED", nullptr},
    {"gat", "gat 100 {0}", "VALUE {0} 0 2\r\n10\r\nEND", "10"},
    {"gat-expire", "gat -1 {0}", "VALUE {0} 0 2\r\n10\r\nEND", nullptr},
    {"ms", "ms {} 3 F5\r\nnew", "HD", "new", 5},
    {"ms-append", "ms {} 2 MA\r\nxy", "HD", "10xy"},
    {"ms-prepend", "ms {} 2 MP\r\nxy", "HD", "xy10"},
    {"ms-replace", "ms {} 3 MR\r\nnew", "HD", "new"},
    {"ms-add-present", "ms {} 3 ME\r\nnew", "NS", "10"},
    {"md", "md {}", "HD", nullptr},
    {"md-remove-value", "md {} x", "HD", ""},
    {"ma", "ma {}", "HD", "11"},
    {"ma-decr", "ma {} MD D3", "HD", "7 "},
    {"mg-touch", "mg {} T-1", "HD", nullptr},
};

constexpr Write writes_to_absent_key[] = {
    {"set", "set {} 5 0 3\r\nnew", "STORED", "new", 5},
    {"add", "add {} 5 0 3\r\nnew", "STORED", "new", 5},
    {"replace", "replace {} 5 0 3\r\nnew", "NOT_STORED", nullptr},
    {"incr", "incr {} 5", "NOT_FOUND", nullptr},
    {"ms", "ms {} 3 F5\r\nnew", "HD", "new", 5},
    {"mg-vivify", "mg {} N100", "HD W", ""},
    {"ma-vivify", "ma {} N0 J5", "HD", "5"},
};

std::string with_key(const char *pattern, const std::string &key)
{
    return fmt::format(fmt::runtime(pattern), key);
}

std::string reply_after(const Write &write, const std::string &key)
{
    return write.value == nullptr ? "END\r\n" : value_reply(key, write.value, write.flags);
}

TEST_P(Writes, Row02EveryCommand)
{
    for (const Write &write : writes_to_present_key) {
        SCOPED_TRACE(write.name);
        const std::string k = cached_key(write.name, "10");

        expect_tcp(with_key(write.command, k), with_key(write.reply, k));
        expect_udp(get(k), reply_after(write, k));
        expect_hit(get(k), reply_after(write, k));
    }
}

TEST_P(Writes, Row02EveryCommandThatMakesAKey)
{
    for (const Write &write : writes_to_absent_key) {
        SCOPED_TRACE(write.name);
        const std::string k = key(write.name);

        expect_udp(get(k), "END\r\n");
        expect_hit(get(k), "END\r\n");
        expect_tcp(with_key(write.command, k), with_key(write.reply, k));
        expect_udp(get(k), reply_after(write, k));
        expect_hit(get(k), reply_after(write, k));
    }
}

TEST_P(Writes, Row02AddAfterDelete)
{
    const std::string k = cached_key("k", "old");

    expect_tcp("delete " + k, "DELETED");
    expect_tcp("add " + k + " 0 0 3\r\nnew", "STORED");
    warm(k, "new");
}

TEST_P(Writes, Row02CompareAndSwap)
{
    const std::string k = cached_key("k", "old");

    tcp().send("gets " + k + "\r\n");
    const std::string header = tcp().read_line();
    tcp().read_until("END\r\n");
    const std::string unique =
        header.substr(header.rfind(' ') + 1, header.find('\r') - header.rfind(' ') - 1);
    expect_tcp("cas " + k + " 0 0 3 " + unique + "\r\nnew", "STORED");
    warm(k, "new");
}

// memcached removes the old value when it has no room for the new one.
TEST_P(Writes, Row02SetThatIsTooLarge)
{
    const std::string k = cached_key("k", "old");
    const std::string huge(2 << 20, 'x');

    expect_tcp("set " + k + " 0 0 " + std::to_string(huge.size()) + "\r\n" + huge,
               "SERVER_ERROR object too large for cache");
    expect_udp(get(k), "END\r\n");
    expect_udp(get(k), "END\r\n");
}

// memcached removes at once only what was used in the last second (and of that
// may miss some); the rest stays where it is and is known by its age.
TEST_P(Writes, Row02FlushAll)
{
    const std::string aged = cached_key("aged", "old");
    std::this_thread::sleep_for(2500ms);
    const std::string fresh = cached_key("fresh", "old");

    expect_tcp("flush_all", "OK");
    expect_udp(get(aged), "END\r\n");
    expect_udp(get(fresh), "END\r\n");
    store(aged, "new");
    warm(aged, "new");
    expect_udp(get(fresh), "END\r\n");
}

TEST_P(Writes, Row02FlushAllLater)
{
    const std::string a = cached_key("a", "old");

    expect_tcp("flush_all 1", "OK");
    // Cached again, should it have been dropped at once.
    EXPECT_TRUE(udp().ask(get(a)));
    EXPECT_TRUE(udp().ask(get(a)));
    std::this_thread::sleep_for(2500ms);
    expect_udp(get(a), "END\r\n");
    store(a, "new");
    warm(a, "new");
}

// The binary protocol's request header (protocol_binary.txt, "Packet Structure").
std::string binary_request(unsigned char opcode, const std::string &key, const std::string &extras,
                           const std::string &value)
{
    const auto byte = [](std::size_t n) { return static_cast<char>(n & 0xff); };
    const std::size_t body = extras.size() + key.size() + value.size();
    std::string request(24, '\0');

    request[0] = '\x80';
    request[1] = static_cast<char>(opcode);
    request[2] = byte(key.size() >> 8);
    request[3] = byte(key.size());
    request[4] = byte(extras.size());
    for (std::size_t i = 0; i < 4; i++)
        request[8 + i] = byte(body >> (8 * (3 - i)));
    return request + extras + key + value;
}

TEST_P(Writes, Row03BinaryProtocol)
{
    struct Case {
        const char *name;
        unsigned char opcode;
        std::string extras;
        std::string value;
        const char *after; // null: absent
    };
    const std::string none;
    const std::string storing(8, '\0'); // flags 0, exptime 0
    const std::string seven("\0\0\0\0\0\0\0\7", 8);
    const std::string counter = seven + std::string(8, '\0') + std::string(4, '\0');
    const Case cases[] = {
        {"Set", 0x01, storing, "new", "new"},   {"Replace", 0x03, storing, "new", "new"},
        {"Delete", 0x04, none, "", nullptr},    {"Increment", 0x05, counter, "", "17"},
        {"Decrement", 0x06, counter, "", "10"}, {"Append", 0x0e, none, "xy", "10xy"},
        {"Prepend", 0x0f, none, "xy", "xy10"},
    };
    TcpClient binary(lab().client(), server());

    for (const Case &c : cases) {
        SCOPED_TRACE(c.name);
        // 17 - 7 keeps its length: whether memcached pads a shorter number with a space
        // depends on whether a worker still holds the item.
        const std::string k = cached_key(c.name, c.opcode == 0x06 ? "17" : "10");

        binary.send(binary_request(c.opcode, k, c.extras, c.value));
        const std::string reply = binary.read(24);
        EXPECT_EQ(reply.substr(6, 2), std::string(2, '\0')) << "status";
        const auto body = static_cast<unsigned char>(reply[11]);
        binary.read(body);
        if (c.after == nullptr)
            expect_udp(get(k), "END\r\n");
        else
            warm(k, c.after);
    }
}

TEST_P(Writes, Row04EveryCommandOverUdp)
{
    for (const Write &write : writes_to_present_key) {
        SCOPED_TRACE(write.name);
        const std::string k = cached_key(write.name, "10");

        expect_udp(with_key(write.command, k) + "\r\n", with_key(write.reply, k) + "\r\n");
        expect_udp(get(k), reply_after(write, k));
        expect_hit(get(k), reply_after(write, k));
    }
}

// A client that does not wait must not overtake itself.
TEST_P(Writes, Row04SetWithoutReplyAndGetRightBehind)
{
    const std::string k = cached_key("k", "0");

    for (int i = 1; i <= 200; i++) {
        const std::string value = std::to_string(i);

        udp().send({.request_id = udp().next_id()},
                   fmt::format("set {} 0 0 {} noreply\r\n{}\r\n", k, value.size(), value));
        ASSERT_EQ(udp().ask(get(k)), value_reply(k, value));
    }
}

TEST_P(Writes, Row05SetSplitOverSegments)
{
    const std::string k = cached_key("key", "old");
    const std::string set = "set " + k + " 0 0 3\r\nnew\r\n";

    for (std::size_t at = 1; at < set.size(); at++) {
        SCOPED_TRACE("split after: " + set.substr(0, at));
        store(k, "old");
        tcp().send_segment(set.substr(0, at));
        // Of stock memcached nothing is cached of a key that is about to be written.
        if (stock())
            expect_udp(get(k), value_reply(k, "old"));
        else
            warm(k, "old");
        tcp().send_segment(set.substr(at));
        EXPECT_EQ(tcp().read_line(), "STORED\r\n");
        expect_udp(get(k), value_reply(k, "new"));
    }
    warm(k, "new");
}

TEST_P(Writes, Row05SetByteByByte)
{
    const std::string k = cached_key("key", "old");

    for (const char c : "set " + k + " 0 0 3\r\nnew\r\n")
        tcp().send_segment(std::string(1, c));
    EXPECT_EQ(tcp().read_line(), "STORED\r\n");
    warm(k, "new");
}

TEST_P(Writes, Row06SeveralSetsInOneSegment)
{
    const std::string a = cached_key("a", "old");
    const std::string b = cached_key("b", "old");
    const std::string c = cached_key("c", "old");
    const std::string text = "set " + c + " 0 0 3\r\nbad";

    tcp().send_segment("set " + a + " 0 0 6\r\noffset\r\nset " + b + " 0 0 3\r\nnew\r\n");
    EXPECT_EQ(tcp().read_line(), "STORED\r\n");
    EXPECT_EQ(tcp().read_line(), "STORED\r\n");
    warm(a, "offset");
    warm(b, "new");
    // A command inside a value is none.
    store(a, text);
    warm(a, text);
    warm(c, "old");
}

// With IPv4 options, or IPv6 destination options, on everything it sends.
void send_with_options(int fd, bool ipv6)
{
    const std::array<unsigned char, 4> nops = {1, 1, 1, 0};                // RFC 791, 3.1
    const std::array<unsigned char, 8> padding = {0, 0, 1, 4, 0, 0, 0, 0}; // RFC 8200, 4.2: PadN
    const int result =
        ipv6 ? ::setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, padding.data(), padding.size())
             : ::setsockopt(fd, IPPROTO_IP, IP_OPTIONS, nops.data(), nops.size());

    if (result != 0)
        throw system_error("setsockopt of IP options");
}

TEST_P(Writes, Row07IpOptions)
{
    const std::string k = cached_key("k", "old");

    send_with_options(tcp().fd(), ipv6());
    send_with_options(udp().fd(), ipv6());
    expect_udp(get(k), value_reply(k, "old"));
    store(k, "new");
    expect_udp(get(k), value_reply(k, "new"));
    expect_udp("set " + k + " 0 0 5\r\nnewer\r\n", "STORED\r\n");
    const Counters growth = during([&] { expect_udp(get(k), value_reply(k, "newer")); });
    if (cached()) {
        EXPECT_EQ(count(growth, "rx_pass_ip_options"), 1U);
    }
    UdpClient plain(lab().client(), server());
    EXPECT_EQ(plain.ask(get(k)), value_reply(k, "newer"));
}

// What one datagram holds besides a get is carried out too.
TEST_P(Writes, Row20CommandsBehindAGet)
{
    const std::string a = cached_key("a", "old");
    const std::string b = cached_key("b", "old");
    const std::string reply_to_get = value_reply(a, "old");
    const auto datagram = [&](const std::string &request, const std::string &reply) {
        const MemcachedFrame frame = {.request_id = udp().next_id()};
        std::string received;

        udp().send(frame, request);
        while (received.size() < reply.size()) {
            const auto part = udp().receive(reply_limit);
            if (!part)
                break;
            EXPECT_EQ(part->frame.request_id, frame.request_id);
            received += part->payload;
        }
        EXPECT_EQ(received, reply) << "to " << request;
    };

    datagram(get(a) + "set " + b + " 0 0 3\r\nnew\r\n", reply_to_get + "STORED\r\n");
    warm(b, "new");
    datagram(get(a) + get(b), reply_to_get + value_reply(b, "new"));
    datagram(get(a) + "delete " + b + "\r\n", reply_to_get + "DELETED\r\n");
    expect_udp(get(b), "END\r\n");
    datagram(get(a) + "set " + a + " 0 0 3\r\nnew\r\n", reply_to_get + "STORED\r\n");
    warm(a, "new");
    datagram("set " + a + " 0 0 3\r\nnow\r\n" + get(a), "STORED\r\n" + value_reply(a, "now"));
    warm(a, "now");
}

} // namespace
} // namespace bmc::test
