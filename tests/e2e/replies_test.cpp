// SPDX-License-Identifier: BSD-3-Clause
//
// Replies to GETs of every form and size, from the kernel or not, are those of
// memcached, byte for byte; and what can be cached is.

#include <fmt/format.h>

#include "tests/e2e/fixture.h"

namespace bmc::test
{
namespace
{

// Every IPv6 path takes packets of this size (RFC 8200, section 5).
constexpr std::size_t ipv6_sure_mtu = 1280;
constexpr std::size_t ipv6_headers = 40 + 8 + 8; // IPv6, UDP, memcached's
// memcached's UDP_MAX_PAYLOAD_SIZE, less the frame header.
constexpr std::size_t datagram_size = 1400 - 8;
// Longest reply that the kernel gives: two datagrams, the second nearly empty.
constexpr std::size_t longest = 1480;

class Replies : public E2e
{
  protected:
    /// Expects the reply; with the cache attached the kernel must have answered, but
    /// over IPv6 it must have left to the stack what may be larger than the path's MTU.
    void expect_hit_if_it_fits(const std::string &request, const std::string &reply,
                               Where where = Where::current())
    {
        const auto scope = trace(where);

        if (!ipv6() || ipv6_headers + reply.size() <= ipv6_sure_mtu) {
            expect_hit(request, reply, where);
            return;
        }
        const Counters growth = during([&] { expect_udp(request, reply, where); });
        if (cached()) {
            EXPECT_EQ(count(growth, "rx_pass_mtu"), 1U) << request;
        }
    }
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, Replies, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, Replies, with_cache, setup_name);

TEST_P(Replies, Row09MultiGetOfWhichSomeAreCached)
{
    const std::string a = key("a");
    const std::string b = key("b");
    const std::string absent = key("absent");
    const std::string both = value_block(a, "value a") + value_block(b, "value b") + "END\r\n";

    store(a, "value a");
    store(b, "value b");
    warm(a, "value a");
    expect_no_hit("get " + a + " " + b + "\r\n", both);
    expect_hit("get " + a + " " + b + "\r\n", both);
    expect_hit("get " + b + " " + a + "\r\n",
               value_block(b, "value b") + value_block(a, "value a") + "END\r\n");
    expect_udp("get " + a + " " + absent + "\r\n", value_reply(a, "value a"));
    expect_hit("get " + a + " " + absent + "\r\n", value_reply(a, "value a"));
    // The same key twice is answered twice.
    expect_hit("get " + a + " " + a + "\r\n",
               value_block(a, "value a") + value_block(a, "value a") + "END\r\n");
}

TEST_P(Replies, Row10ValuesOfEverySize)
{
    const std::string k = key("k");

    for (std::size_t size = 0; size <= 2000; size += size < 150 ? 5 : size < 1300 ? 47 : 13) {
        SCOPED_TRACE(fmt::format("{} bytes", size));
        const std::string value = content(size, static_cast<unsigned>(size), true);
        const std::string reply = value_reply(k, value, 42);

        store(k, value, 42);
        fill(k, reply);
        if (reply.size() <= longest) {
            expect_hit_if_it_fits(get(k), reply);
            expect_hit_if_it_fits(get(k), reply);
        } else {
            expect_no_hit(get(k), reply);
        }
    }
}

TEST_P(Replies, Row11MultiGetAllCached)
{
    for (const std::size_t size : {8, 32, 64}) {
        std::string request = "get";
        std::string reply;

        for (int n = 1; n <= 24; n++) {
            SCOPED_TRACE(fmt::format("{} values of {} bytes", n, size));
            const std::string k = key("k");
            const std::string value = content(size, static_cast<unsigned>(n));

            store(k, value);
            warm(k, value);
            request += " " + k;
            reply += value_block(k, value);
            expect_udp(request + "\r\n", reply + "END\r\n");
            if (reply.size() + 5 <= longest)
                expect_hit_if_it_fits(request + "\r\n", reply + "END\r\n");
        }
    }
}

// Two absent keys can share the place of their grants, one in 65536 here; then
// the request goes up every time.
TEST_P(Replies, Row12MultiGetAllAbsent)
{
    constexpr int keys_of_one_pass = 30; // RX_KEYS_MAX
    int hits = 0;

    for (int n = 1; n <= 60; n++) {
        SCOPED_TRACE(n);
        std::string request = "get";

        for (int i = 0; i < n; i++)
            request += " " + key("absent");
        request += "\r\n";
        expect_udp(request, "END\r\n");
        const Counters growth = during([&] { expect_udp(request, "END\r\n"); });
        if (count(growth, "hit") == 1) {
            EXPECT_EQ(count(growth, "hit_absent_keys"), static_cast<unsigned>(n));
            hits++;
        } else if (cached()) {
            EXPECT_EQ(count(growth, "rx_miss") + count(growth, "rx_pass_keys"), 1U);
            EXPECT_TRUE(n > keys_of_one_pass || count(growth, "rx_miss") == 1);
        }
    }
    if (cached()) {
        EXPECT_GE(hits, keys_of_one_pass - 2);
    }
}

TEST_P(Replies, Row13OddForms)
{
    const std::string k = key("k");
    const std::string reply = value_reply(k, "value");
    const std::string too_long(251, 'k');
    std::string long_key = key("long-");

    long_key.resize(250, 'k');

    store(k, "value");
    warm(k, "value");
    for (int round = 0; round < 2; round++) {
        expect_udp("get " + k + " x\r\n", reply);
        expect_udp("get " + k + " \r\n", reply);
        expect_udp("get " + k + "   \r\n", reply);
        expect_udp("get " + k + " noreply\r\n", reply);
        expect_udp("get noreply " + k + "\r\n", reply);
        expect_udp("get " + k + "\n", reply);
        expect_udp("get " + k + " x\n", reply);
        expect_udp("get  " + k + "\r\n", reply);
        expect_udp("get " + k + "\r\r\n", "END\r\n"); // the first CR belongs to the key
        expect_udp("get\r\n", "ERROR\r\n");
        expect_udp("get \r\n", "ERROR\r\n");
        expect_udp("GET " + k + "\r\n", "ERROR\r\n");
        expect_udp("gets\r\n", "ERROR\r\n");
        expect_udp("getx " + k + "\r\n", "ERROR\r\n");
        expect_udp("get " + too_long + "\r\n", "CLIENT_ERROR bad command line format\r\n");
        expect_udp("get " + long_key + "\r\n", round == 0 ? "END\r\n" : value_reply(long_key, ""));
        store(long_key, "");
    }
}

TEST_P(Replies, Row14ShortKeys)
{
    const std::string letters = ipv6() ? "ABCDEFGHIJK" : "abcdefghijk";

    for (std::size_t length = 1; length <= letters.size(); length++) {
        const std::string k = letters.substr(0, length);

        store(k, "value of " + k);
        warm(k, "value of " + k);
    }
}

TEST_P(Replies, Row14KeysOfEveryLength)
{
    for (std::size_t length = 12; length <= 250; length += 7) {
        const std::string k = content(length, static_cast<unsigned>(length) + (ipv6() ? 1000 : 0));

        store(k, "value");
        // The reply repeats the key.
        expect_udp(get(k), value_reply(k, "value"));
        expect_hit_if_it_fits(get(k), value_reply(k, "value"));
    }
}

TEST_P(Replies, Row16ValueWithNewline)
{
    const std::string k = key("k");

    for (const std::string &value :
         {std::string("ab\ncd"), std::string("\r\n"), std::string("\n"), std::string("\r\nEND\r\n"),
          std::string("END\r\n"), std::string("\0\0\r\n\0", 5),
          "VALUE " + k + " 0 1\r\nx\r\nEND"}) {
        store(k, value);
        warm(k, value);
    }
}

TEST_P(Replies, Row17GetsAndGet)
{
    const std::string k = key("k");
    const std::string other = key("other");

    store(k, "value", 3);
    store(other, "value", 3);
    tcp().send("gets " + k + "\r\n");
    const std::string with_cas = tcp().read_until("END\r\n");
    EXPECT_NE(with_cas, value_reply(k, "value", 3));
    for (int round = 0; round < 3; round++) {
        expect_udp("gets " + k + "\r\n", with_cas);
        expect_udp(get(k), value_reply(k, "value", 3));
        expect_udp("get " + k + " " + other + "\r\n",
                   value_block(k, "value", 3) + value_reply(other, "value", 3));
    }
    expect_hit(get(k), value_reply(k, "value", 3));
}

// The two have one and the same 32-bit hash under FNV-1a, and one is the start
// of the other.
TEST_P(Replies, Row18KeysThatCollide)
{
    const std::string shorter = "user:profile:42";
    const std::string longer = "user:profile:42ayl4exy";

    expect_tcp("flush_all", "OK");
    store(shorter, "short");
    warm(shorter, "short");
    expect_udp(get(longer), "END\r\n");
    store(longer, "long");
    for (int round = 0; round < 2; round++) {
        warm(longer, "long");
        warm(shorter, "short");
    }
    expect_hit("get " + longer + " " + shorter + "\r\n",
               value_block(longer, "long") + value_block(shorter, "short") + "END\r\n");
}

// A value must not pass for a reply, wherever its datagrams begin.
TEST_P(Replies, Row19ValuesThatLookLikeReplies)
{
    const std::string victim = key("victim");
    const std::string big = key("big");
    const std::string forged = value_block(victim, "EVIL");
    const auto attack = [&](const std::string &value) {
        store(big, value);
        for (int round = 0; round < 3; round++)
            expect_udp(get(big), value_reply(big, value));
        expect_udp(get(victim), "END\r\n");
    };

    // At the start of the second datagram, of a reply that is too long for the kernel and
    // of one that is not.
    for (const std::size_t size : {2000, 1430})
        for (const std::string &end : {std::string(), std::string("END\r\n")}) {
            const std::string header = "VALUE " + big + " 0 " + std::to_string(size) + "\r\n";
            std::string value(datagram_size - header.size(), 'x');
            value += forged + end;
            ASSERT_LE(value.size(), size);
            value.resize(size, 'x');
            attack(value);
            const auto datagrams = udp().ask_datagrams(get(big));
            ASSERT_TRUE(datagrams);
            ASSERT_EQ(datagrams->size(), 2U);
            ASSERT_TRUE((*datagrams)[1].payload.starts_with(forged)) << "the attack was none";
        }
    // As the tail of the last datagram.
    std::string value(2000 - forged.size() + 2, 'x');
    attack(value + forged.substr(0, forged.size() - 2));
    // Within a reply of one datagram.
    attack(forged + "END\r\n");
    attack("x\r\n" + forged + "END\r\n");
    attack("\r\n" + forged.substr(0, forged.size() - 2));

    store(victim, "good");
    warm(victim, "good");
    store(big, "x\r\n" + forged);
    expect_udp(get(big), value_reply(big, "x\r\n" + forged));
    expect_hit(get(victim), value_reply(victim, "good"));
}

} // namespace
} // namespace bmc::test
