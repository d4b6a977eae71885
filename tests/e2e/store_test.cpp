// SPDX-License-Identifier: BSD-3-Clause
//
// The GET behind a store of a hot key is a hit: memcached-sr leaves the value with its
// grant.

#include <fmt/format.h>

#include "tests/e2e/fixture.h"

namespace bmc::test
{
namespace
{

class Store : public E2e
{
  protected:
    /// Expects that the GET is answered from what a store has left.
    void expect_left(const std::string &key, const std::string &value, unsigned flags = 0,
                     Where where = Where::current())
    {
        const testing::ScopedTrace scope = trace(where);
        const Counters counters =
            during([&] { expect_hit(get(key), value_reply(key, value, flags), where); });

        if (!cached())
            return;
        EXPECT_EQ(count(counters, "fill_grant_keys"), 1U);
        EXPECT_EQ(count(counters, "tx_replies"), 0U);
    }
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, Store, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, Store, with_cache, setup_name);

/// A command that stores key {}, which holds "10" with flags 0.
struct Command {
    const char *name;
    const char *text;
    const char *reply;
    const char *value;
    unsigned flags = 0;
};

constexpr Command commands[] = {
    {"set", "set {} 5 0 3\r\nnew", "STORED", "new", 5},
    {"set-same", "set {} 0 0 2\r\n10", "STORED", "10"},
    {"set-empty", "set {} 0 0 0\r\n", "STORED", ""},
    {"set-for-a-while", "set {} 0 100 3\r\nnew", "STORED", "new"},
    {"replace", "replace {} 5 0 3\r\nnew", "STORED", "new", 5},
    {"append", "append {} 0 0 2\r\nxy", "STORED", "10xy"},
    {"prepend", "prepend {} 0 0 2\r\nxy", "STORED", "xy10"},
    {"ms", "ms {} 3 F5\r\nnew", "HD", "new", 5},
    {"ms-append", "ms {} 2 MA\r\nxy", "HD", "10xy"},
    {"ms-prepend", "ms {} 2 MP\r\nxy", "HD", "xy10"},
    {"ms-replace", "ms {} 3 MR T100\r\nnew", "HD", "new"},
    {"md-remove-value", "md {} x", "HD", ""},
};

std::string with_key(const char *pattern, const std::string &key)
{
    return fmt::format(fmt::runtime(pattern), key);
}

TEST_P(Store, OfAHotKeyIsAHit)
{
    for (const Command &command : commands) {
        SCOPED_TRACE(command.name);
        const std::string k = cached_key(command.name, "10");

        expect_hit(get(k), value_reply(k, "10"));
        expect_tcp(with_key(command.text, k), command.reply);
        expect_left(k, command.value, command.flags);
        expect_hit(get(k), value_reply(k, command.value, command.flags));
    }
}

TEST_P(Store, OverUdp)
{
    for (const Command &command : commands) {
        SCOPED_TRACE(command.name);
        const std::string k = cached_key(fmt::format("udp-{}", command.name), "10");

        expect_hit(get(k), value_reply(k, "10"));
        expect_udp(with_key(command.text, k) + "\r\n", fmt::format("{}\r\n", command.reply));
        expect_left(k, command.value, command.flags);
    }
}

TEST_P(Store, AgainAndAgain)
{
    const std::string k = cached_key("again", "0");

    expect_hit(get(k), value_reply(k, "0"));
    for (int i = 1; i <= 100; i++) {
        store(k, fmt::format("{}", i));
        if (i % 3 == 0) // not read in between
            store(k, fmt::format("{}", -i));
        expect_left(k, fmt::format("{}", i % 3 == 0 ? -i : i));
    }
}

TEST_P(Store, BehindAGetThatTheKernelCouldNotAnswer)
{
    const std::string k = key("missed");

    store(k, "1");
    expect_no_hit(get(k), value_reply(k, "1"));
    store(k, "2");
    expect_left(k, "2");
}

TEST_P(Store, OfAKeyThatNobodyReadsIsNone)
{
    const std::string k = key("unread");

    for (int i = 0; i < 10; i++)
        store(k, "value");
    const Counters counters = during([&] { expect_no_hit(get(k), value_reply(k, "value")); });
    EXPECT_EQ(count(counters, "fill_grant_keys"), 0U);
}

TEST_P(Store, SizesUpToWhatAGrantHolds)
{
    const std::string k = cached_key("sizes", "value");
    const std::size_t most = 448 - value_block(k, std::string(100, 'x')).size() + 100;

    for (const std::size_t size :
         {std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{200}, most - 1, most}) {
        expect_hit(get(k), udp().ask(get(k)).value_or(no_reply));
        store(k, content(size, 1, true));
        expect_left(k, content(size, 1, true));
    }
    store(k, content(most + 1, 1));
    expect_no_hit(get(k), value_reply(k, content(most + 1, 1)));
}

TEST_P(Store, OfSeveralKeysOfOneGet)
{
    const std::string a = cached_key("several-a", "1");
    const std::string b = cached_key("several-b", "1");
    const std::string c = cached_key("several-c", "1");
    const std::string request = fmt::format("get {} {} {}\r\n", a, b, c);
    const auto reply = [&](const char *of_a, const char *of_b, const char *of_c) {
        return value_block(a, of_a) + value_block(b, of_b) + value_block(c, of_c) + "END\r\n";
    };

    expect_hit(request, reply("1", "1", "1"));
    store(a, "2");
    store(c, "2");
    expect_hit(request, reply("2", "1", "2"));
    store(a, "3");
    store(b, "3");
    store(c, "3");
    expect_hit(request, reply("3", "3", "3"));
}

} // namespace
} // namespace bmc::test
