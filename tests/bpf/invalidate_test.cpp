// SPDX-License-Identifier: BSD-3-Clause

// Writes over UDP: exactly the keys that they name have their clock advanced,
// and the datagram goes up as it came.
#include "tests/bpf/datapath.h"

#include <algorithm>

namespace bmc::test
{
namespace
{

class Invalidate : public BpfTest
{
  protected:
    // Runs the datagram and expects that the clocks of these keys, and no others,
    // have advanced, once for each mention.
    static void expect_ticks(std::string_view text, const std::vector<std::string> &keys,
                             const Counts &counts)
    {
        SCOPED_TRACE(text);
        const auto clocks = dp().clocks();
        std::vector<std::uint64_t> expected(clocks.begin(), clocks.end());

        for (const std::string &key : keys)
            expected[static_cast<std::size_t>(&dp().clock(key) - clocks.data())] += BMC_CLOCK_TICK;
        for (const Family family : {Family::ipv4, Family::ipv6}) {
            expect_pass(dp(), request(text, {.family = family}), counts);
            EXPECT_TRUE(std::equal(clocks.begin(), clocks.end(), expected.begin(),
                                   [](std::uint64_t now, std::uint64_t wanted) {
                                       return bmc_clock_version(now) == bmc_clock_version(wanted);
                                   }));
            for (const std::string &key : keys)
                expected[static_cast<std::size_t>(&dp().clock(key) - clocks.data())] +=
                    BMC_CLOCK_TICK;
        }
    }
    static Counts write_counts(std::uint64_t keys)
    {
        return {{"rx_requests", 1}, {"rx_pass_write", 1}, {"invalidate_keys", keys}};
    }
};

// Rows 2 and 4.
TEST_F(Invalidate, EveryWrite)
{
    for (const std::string_view text : {"set key 0 0 3\r\nabc\r\n",
                                        "add key 0 0 3\r\nabc\r\n",
                                        "replace key 0 0 3\r\nabc\r\n",
                                        "append key 0 0 3\r\nabc\r\n",
                                        "prepend key 0 0 3\r\nabc\r\n",
                                        "cas key 0 0 3 77\r\nabc\r\n",
                                        "set key 0 0 3 noreply\r\nabc\r\n",
                                        "delete key\r\n",
                                        "delete key noreply\r\n",
                                        "incr key 1\r\n",
                                        "decr key 1\r\n",
                                        "touch key 10\r\n",
                                        "gat 10 key\r\n",
                                        "gats 10 key\r\n",
                                        "ms key 3\r\nabc\r\n",
                                        "md key q\r\n",
                                        "ma key\r\n",
                                        "mg key v T30\r\n",
                                        "set  key  0  0  3\r\nabc\r\n",
                                        "set key 0 -1 3\r\nabc\r\n",
                                        "set key 0 0 3\r\nab",
                                        "set key 0 0 3\r\n",
                                        "delete key\n"})
        expect_ticks(text, {"key"}, write_counts(1));
}

TEST_F(Invalidate, EntryIsDropped)
{
    dp().fill("key", 0, "value");
    dp().fill("other", 0, "value");
    const unsigned before = dp().entries();
    expect_pass(dp(), request("delete key\r\n"), write_counts(1));
    EXPECT_EQ(dp().entries(), before - 1);
    expect_pass(dp(), request("get key\r\n"), get_counts("rx_miss"));
    if (&dp().clock("key") != &dp().clock("other")) {
        expect_reply(dp(), "get other\r\n", "VALUE other 0 5\r\nvalue\r\nEND\r\n");
    }
}

TEST_F(Invalidate, BusyBucketIsLeftAndTheClockAdvancesAllTheSame)
{
    dp().fill("key", 0, "value");
    bmc_bucket bucket = dp().bucket("key");
    bucket.sequence++;
    dp().set_bucket("key", bucket);
    expect_ticks("delete key\r\n", {"key"}, write_counts(1));
    bucket.sequence++;
    dp().set_bucket("key", bucket);
    expect_pass(dp(), request("get key\r\n"), get_counts("rx_miss_clock"));
}

TEST_F(Invalidate, ManyCommandsOfADatagram)
{
    expect_ticks("set a 0 0 1\r\nx\r\ndelete b\r\nget c\r\nincr d 1\r\n", {"a", "b", "d"},
                 write_counts(3));
    expect_ticks("delete a\r\ndelete a\r\ndelete a\r\n", {"a", "a", "a"}, write_counts(3));
    // Row 20: writes behind a get.
    expect_ticks(
        "get a\r\nset b 0 0 1\r\nx\r\n", {"b"},
        {{"rx_requests", 1}, {"rx_gets", 1}, {"rx_pass_write", 1}, {"invalidate_keys", 1}});
    expect_ticks("gets a\r\nset b 0 0 1\r\nx\r\n", {"b"}, write_counts(1));
    expect_ticks("get a\r\nset b 0 0 1\r\nx", {"b"}, write_counts(1));
    // Row 6: the value of one that looks like another.
    expect_ticks("set a 0 0 6\r\noffset\r\nset b 0 0 1\r\nx\r\n", {"a", "b"}, write_counts(2));
    expect_ticks("set a 0 0 16\r\nset v 0 0 1\r\nxyz\r\ndelete b\r\n", {"a", "b"}, write_counts(2));
}

// Row 20, where the get before the writes goes up for another reason.
TEST_F(Invalidate, WritesBehindAGetOfManyKeys)
{
    const auto counts = [](std::uint64_t keys) {
        return Counts{
            {"rx_requests", 1}, {"rx_gets", 1}, {"rx_pass_write", 1}, {"invalidate_keys", keys}};
    };

    expect_ticks("get unknown b\r\nset c 0 0 1\r\nx\r\ndelete d\r\n", {"c", "d"}, counts(2));
    dp().fill("old", 0, "value");
    dp().clock("old") += BMC_CLOCK_TICK;
    expect_ticks("get old b\r\nset c 0 0 1\r\nx\r\n", {"c"}, counts(1));
    dp().fill("large", 0, std::string(1000, 'l'));
    expect_ticks("get large large b\r\nset c 0 0 1\r\nx\r\n", {"c"}, counts(1));
    dp().fill("k", 0, "v");
    expect_ticks("get k k\r\nset c 0 0 1\r\nx\r\n", {"c"}, counts(1));
    // without writes the reason stays what it was
    expect_ticks("get unknown b\r\n", {}, get_counts("rx_miss"));
    expect_ticks("get old b\r\n", {}, get_counts("rx_miss_clock"));
    expect_ticks("get large large b\r\nget k\r\n", {}, get_counts("rx_pass_too_large"));
}

// Looking up keys and walking commands share what one packet may do.
TEST_F(Invalidate, ManyKeysLeaveFewCommands)
{
    std::string line = "get", writes;

    dp().fill("k", 0, "v");
    for (unsigned keys = 1; keys < 30; keys++) {
        line += " k";
        writes += "delete d" + std::to_string(keys) + "\r\n";
        for (const std::string_view end : {" \r\n", "\r\n"}) {
            SCOPED_TRACE(testing::Message() << keys << " keys");
            Bytes frame = request(line + std::string(end) + writes);
            dp().counts();
            const auto out = dp().rx(frame);
            ASSERT_EQ(out.verdict, pass_up);
            ASSERT_EQ(out.frame, frame);
            const Counts counts = dp().counts();
            const auto ticked =
                counts.contains("invalidate_keys") ? counts.at("invalidate_keys") : 0;
            // all of them, or said to be incomplete
            ASSERT_EQ(counts.contains("invalidate_incomplete"), ticked < keys);
            ASSERT_EQ(counts.contains("rx_pass_write"), ticked > 0);
            ASSERT_FALSE(counts.contains("rx_pass_tail_call"));
            ASSERT_TRUE(keys > 14 || ticked == keys);
        }
    }
}

TEST_F(Invalidate, KeysOfAllLengths)
{
    for (std::size_t length = 1; length <= 250; length += length < 20 ? 1 : 23) {
        const std::string key(length, 'k');
        expect_ticks("delete " + key + "\r\n", {key}, write_counts(1));
    }
    const std::string longest(250, 'k');
    expect_ticks("delete " + longest + "\r\n", {longest}, write_counts(1));
    expect_ticks("delete " + longest + "k\r\n", {}, {{"rx_requests", 1}, {"rx_pass_command", 1}});
}

TEST_F(Invalidate, WhatIsNoWriteAdvancesNothing)
{
    const Counts command{{"rx_requests", 1}, {"rx_pass_command", 1}};

    for (const std::string_view text :
         {"gets key\r\n", "stats\r\n", "flush_all\r\n", "version\r\n", "set key 0 0 3", "set\r\n",
          "setkey 0 0 3\r\n", "verbosity 1\r\n", "mn\r\n", "\r\n"})
        expect_ticks(text, {}, command);
    expect_ticks("get  key\r\n", {}, get_counts("rx_pass_syntax"));
}

// A datagram with more commands than one pass walks is said to be so.
TEST_F(Invalidate, TooManyCommands)
{
    std::string text;
    std::vector<std::string> keys;

    for (int i = 0; i < 24; i++) {
        keys.push_back("k" + std::to_string(i));
        text += "delete " + keys.back() + "\r\n";
    }
    expect_ticks(text, keys, write_counts(24));
    Counts counts = write_counts(24);
    counts["invalidate_incomplete"] = 1;
    expect_ticks(text + "delete last\r\n", keys, counts);
}

// A client that writes and reads over one socket does not overtake itself: the
// entry is gone before the origin has seen the write.
TEST_F(Invalidate, WriteThenReadMisses)
{
    dp().fill("key", 0, "old");
    expect_reply(dp(), "get key\r\n", "VALUE key 0 3\r\nold\r\nEND\r\n");
    dp().rx(request("set key 0 0 3 noreply\r\nnew\r\n"));
    dp().counts();
    expect_pass(dp(), request("get key\r\n"), get_counts("rx_miss"));
    // a reply to an older get that is still on its way is not installed
    dp().grant_value("key", 0, "old");
    dp().clock("key") += BMC_CLOCK_TICK;
    dp().tx(origin_reply("VALUE key 0 3\r\nold\r\nEND\r\n"));
    EXPECT_EQ(dp().counts(), (Counts{{"tx_replies", 1}, {"fill_stale_keys", 1}}));
}

} // namespace
} // namespace bmc::test
