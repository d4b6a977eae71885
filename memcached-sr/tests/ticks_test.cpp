// SPDX-License-Identifier: BSD-3-Clause
//
// Every command that changes what a get returns ticks the clock of its key, and
// the next get over UDP grants the new state.

#include <ostream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "memcached-sr/tests/fixture.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

namespace
{

constexpr const char *key = "the-key";
constexpr const char *set_7 = "set the-key 0 0 1\r\n7\r\n";
constexpr const char *stored = "STORED\r\n";

/// A command that changes the key, and what a get returns then.
struct Change {
    std::string name;
    std::vector<std::string> before; ///< each answered by one line
    std::string command;
    std::string reply;
    std::optional<std::string> value; ///< none: the key is absent
    unsigned flags = 0;
};

std::ostream &operator<<(std::ostream &out, const Change &change)
{
    return out << change.name;
}

std::string change_name(const testing::TestParamInfo<Change> &info)
{
    return info.param.name;
}

/// The ASCII and meta commands. The value before most of them is "7".
const std::vector<Change> text_changes = {
    {"set_new", {}, "set the-key 5 0 1\r\n1\r\n", stored, "1", 5},
    {"set_over", {set_7}, "set the-key 5 0 3\r\nnew\r\n", stored, "new", 5},
    {"add", {}, "add the-key 0 0 1\r\n1\r\n", stored, "1"},
    {"replace", {set_7}, "replace the-key 0 0 1\r\n8\r\n", stored, "8"},
    {"append", {set_7}, "append the-key 0 0 1\r\n8\r\n", stored, "78"},
    {"prepend", {set_7}, "prepend the-key 0 0 1\r\n8\r\n", stored, "87"},
    {"incr_in_place", {set_7}, "incr the-key 1\r\n", "8\r\n", "8"},
    {"incr_longer", {set_7}, "incr the-key 5\r\n", "12\r\n", "12"},
    {"decr_in_place", {set_7}, "decr the-key 1\r\n", "6\r\n", "6"},
    {"delete", {set_7}, "delete the-key\r\n", "DELETED\r\n", std::nullopt},
    {"touch", {set_7}, "touch the-key 1000\r\n", "TOUCHED\r\n", "7"},
    {"touch_to_expired", {set_7}, "touch the-key -1\r\n", "TOUCHED\r\n", std::nullopt},
    {"gat", {set_7}, "gat 1000 the-key\r\n", "VALUE the-key 0 1\r\n7\r\nEND\r\n", "7"},
    {"too_large_set_removes",
     {set_7},
     fmt::format("set the-key 0 0 2000000\r\n{}\r\n", std::string(2000000, 'x')),
     "SERVER_ERROR object too large for cache\r\n",
     std::nullopt},
    {"ms_new", {}, "ms the-key 1 F9\r\n1\r\n", "HD\r\n", "1", 9},
    {"ms_over", {set_7}, "ms the-key 1\r\n1\r\n", "HD\r\n", "1"},
    {"ms_add", {}, "ms the-key 1 ME\r\n1\r\n", "HD\r\n", "1"},
    {"ms_append", {set_7}, "ms the-key 1 MA\r\n1\r\n", "HD\r\n", "71"},
    {"ms_prepend", {set_7}, "ms the-key 1 MP\r\n1\r\n", "HD\r\n", "17"},
    {"ms_replace", {set_7}, "ms the-key 1 MR\r\n1\r\n", "HD\r\n", "1"},
    {"ms_append_vivify", {}, "ms the-key 1 MA N1000\r\n1\r\n", "HD\r\n", "1"},
    {"ms_quiet", {set_7}, "ms the-key 1 q\r\n1\r\nmn\r\n", "MN\r\n", "1"},
    {"md", {set_7}, "md the-key\r\n", "HD\r\n", std::nullopt},
    {"md_stale", {set_7}, "md the-key I T1000\r\n", "HD\r\n", "7"},
    {"md_stale_expired", {set_7}, "md the-key I T-1\r\n", "HD\r\n", std::nullopt},
    {"md_value", {set_7}, "md the-key x\r\n", "HD\r\n", ""},
    {"mg_touch", {set_7}, "mg the-key T1000\r\n", "HD\r\n", "7"},
    {"mg_touch_to_expired", {set_7}, "mg the-key T-1\r\n", "HD\r\n", std::nullopt},
    {"mg_vivify", {}, "mg the-key N1000\r\n", "HD W\r\n", ""},
    {"ma", {set_7}, "ma the-key\r\n", "HD\r\n", "8"},
    {"ma_decr", {set_7}, "ma the-key MD\r\n", "HD\r\n", "6"},
    {"ma_touch_to_expired", {set_7}, "ma the-key T-1\r\n", "HD\r\n", std::nullopt},
    {"ma_vivify", {}, "ma the-key N1000 J13\r\n", "HD\r\n", "13"},
};

class Ticks : public WithMaps, public testing::WithParamInterface<Change>
{
  protected:
    /// One worker has done with a reply before it takes the next command. An item
    /// that another worker still sends is not changed in place, and `ma T` then sets
    /// the exptime of the old item, not of the new one.
    void SetUp() override
    {
        WithMaps::SetUp();
        start_origin({"-t", "1"});
    }

    void expect_granted(const Change &change)
    {
        // A change may have left a grant itself. If it is in force, it is as a get's.
        const bmc_grant left = maps().grant(key);

        if (change.value)
            expect_value_granted(key, *change.value, change.flags);
        else
            expect_absence_granted(key);
        if (left.version == maps().version(key) && left.generation == maps().generation()) {
            EXPECT_EQ(left.content, maps().grant(key).content);
            EXPECT_EQ(left.deadline_ns, maps().grant(key).deadline_ns);
        }
    }
};

TEST_P(Ticks, BeforeTheReply)
{
    const Change &change = GetParam();

    for (const std::string &command : change.before) {
        tcp().send(command);
        tcp().read_line();
    }
    // A get reads only; the grant that it leaves must be void afterwards.
    (void)udp().ask(fmt::format("get {}\r\n", key));
    const std::uint64_t version = maps().version(key);
    ASSERT_EQ(maps().grant(key).version, version);

    maps().visit(key);
    expect_tcp(change.command, change.reply);

    EXPECT_GT(maps().version(key), version);
    expect_granted(change);
}

INSTANTIATE_TEST_SUITE_P(Text, Ticks, testing::ValuesIn(text_changes), change_name);

std::string binary(std::uint8_t opcode, const std::string &extras, const std::string &value)
{
    return binary_request(opcode, key, extras, value);
}

const std::string no_flags(8, '\0');                                            // and no exptime
const std::string by_one = std::string(7, '\0') + '\1' + std::string(12, '\0'); // initial 0
const std::string in_a_thousand("\0\0\x3\xe8", 4);
/// Commands of the binary protocol; `reply` is not used.
const std::vector<Change> binary_changes = {
    {"set", {set_7}, binary(0x01, no_flags, "1"), "", "1"},
    {"setq", {set_7}, binary(0x11, no_flags, "1"), "", "1"},
    {"add", {}, binary(0x02, no_flags, "1"), "", "1"},
    {"addq", {}, binary(0x12, no_flags, "1"), "", "1"},
    {"replace", {set_7}, binary(0x03, no_flags, "1"), "", "1"},
    {"replaceq", {set_7}, binary(0x13, no_flags, "1"), "", "1"},
    {"delete", {set_7}, binary(0x04, "", ""), "", std::nullopt},
    {"deleteq", {set_7}, binary(0x14, "", ""), "", std::nullopt},
    {"increment", {set_7}, binary(0x05, by_one, ""), "", "8"},
    {"incrementq", {set_7}, binary(0x15, by_one, ""), "", "8"},
    {"increment_new", {}, binary(0x05, by_one, ""), "", "0"},
    {"decrement", {set_7}, binary(0x06, by_one, ""), "", "6"},
    {"decrementq", {set_7}, binary(0x16, by_one, ""), "", "6"},
    {"append", {set_7}, binary(0x0e, "", "1"), "", "71"},
    {"appendq", {set_7}, binary(0x19, "", "1"), "", "71"},
    {"prepend", {set_7}, binary(0x0f, "", "1"), "", "17"},
    {"prependq", {set_7}, binary(0x1a, "", "1"), "", "17"},
    {"touch", {set_7}, binary(0x1c, in_a_thousand, ""), "", "7"},
    {"gat", {set_7}, binary(0x1d, in_a_thousand, ""), "", "7"},
    {"gatq", {set_7}, binary(0x1e, in_a_thousand, ""), "", "7"},
    {"gatk", {set_7}, binary(0x23, in_a_thousand, ""), "", "7"},
    {"gatkq", {set_7}, binary(0x24, in_a_thousand, ""), "", "7"},
};

using BinaryTicks = Ticks;

TEST_P(BinaryTicks, BeforeTheReply)
{
    const Change &change = GetParam();

    for (const std::string &command : change.before) {
        tcp().send(command);
        tcp().read_line();
    }
    (void)udp().ask(fmt::format("get {}\r\n", key));
    const std::uint64_t version = maps().version(key);

    maps().visit(key);
    carry_out_binary(change.command);

    EXPECT_GT(maps().version(key), version);
    expect_granted(change);
}

INSTANTIATE_TEST_SUITE_P(Binary, BinaryTicks, testing::ValuesIn(binary_changes), change_name);

/// Starts of generations: any flush_all passes through an odd one.
struct Flush {
    std::string name;
    std::string command; ///< in ASCII, or binary if it starts with 0x80
};

std::ostream &operator<<(std::ostream &out, const Flush &flush)
{
    return out << flush.name;
}

std::string flush_name(const testing::TestParamInfo<Flush> &info)
{
    return info.param.name;
}

class Flushes : public WithMaps, public testing::WithParamInterface<Flush>
{
  protected:
    void flush(const std::string &command)
    {
        if (command[0] == '\x80') {
            carry_out_binary(command);
        } else {
            expect_tcp(command, "OK\r\n");
        }
    }
};

TEST_P(Flushes, MoveTheGeneration)
{
    store(key, "1");
    expect_value_granted(key, "1");
    const std::uint64_t generation = maps().generation();

    flush(GetParam().command);

    EXPECT_EQ(maps().generation(), generation + 2);
    EXPECT_EQ(maps().generation() % 2, 0U);
    expect_absence_granted(key);
}

INSTANTIATE_TEST_SUITE_P(All, Flushes,
                         testing::Values(Flush{"text", "flush_all\r\n"},
                                         Flush{"text_zero", "flush_all 0\r\n"},
                                         Flush{"binary", binary_request(0x08, "", "", "")},
                                         Flush{"binary_quiet", binary_request(0x18, "", "", "")}),
                         flush_name);

class DelayedFlush : public WithMaps
{
};

TEST_F(DelayedFlush, MovesTheGenerationWhenItComesIntoForce)
{
    store(key, "1");
    const std::uint64_t generation = maps().generation();

    // "3" is at least one second away, however the seconds fall.
    expect_tcp("flush_all 3\r\n", "OK\r\n");
    EXPECT_EQ(maps().generation(), generation + 2);

    // memcached denies the item only when the generation has moved on.
    wait_until("the flush is in force", [this, generation] {
        const std::uint64_t before = maps().generation();
        const std::string reply = udp().ask(fmt::format("get {}\r\n", key)).value_or("");

        if (reply == "END\r\n") {
            EXPECT_EQ(maps().generation(), generation + 4);
            return true;
        }
        if (maps().generation() == generation + 2) {
            EXPECT_EQ(before, generation + 2);
            EXPECT_EQ(maps().grant(key).generation, generation + 2);
        }
        return false;
    });
    expect_absence_granted(key);
}

TEST_F(DelayedFlush, CanBeCalledOff)
{
    store(key, "1");
    const std::uint64_t generation = maps().generation();

    expect_tcp("flush_all 1000\r\n", "OK\r\n");
    expect_tcp("flush_all 2000\r\n", "OK\r\n");
    EXPECT_EQ(maps().generation(), generation + 4);
    expect_value_granted(key, "1");
}

class SilentChanges : public WithMaps
{
};

TEST_F(SilentChanges, CasTicksOnlyIfItStores)
{
    store(key, "1");
    tcp().send("gets the-key\r\n");
    const std::string line = tcp().read_line();
    const std::string unique = line.substr(line.rfind(' ') + 1, line.size() - line.rfind(' ') - 3);
    tcp().read_until("END\r\n");

    std::uint64_t version = maps().version(key);
    expect_tcp(fmt::format("cas the-key 0 0 1 {}\r\n2\r\n", unique), stored);
    EXPECT_GT(maps().version(key), version);
    expect_value_granted(key, "2");

    version = maps().version(key);
    expect_tcp(fmt::format("cas the-key 0 0 1 {}\r\n3\r\n", unique), "EXISTS\r\n");
    EXPECT_EQ(maps().version(key), version);
    expect_value_granted(key, "2");
}

TEST_F(SilentChanges, ReadsDoNotTick)
{
    store(key, "1");
    const std::uint64_t version = maps().version(key);

    for (int i = 0; i < 5; i++) {
        expect_tcp("get the-key\r\n", "VALUE the-key 0 1\r\n1\r\nEND\r\n");
        expect_tcp("mg the-key v\r\n", "VA 1\r\n1\r\n");
        EXPECT_EQ(udp().ask("get the-key\r\n"), "VALUE the-key 0 1\r\n1\r\nEND\r\n");
    }
    expect_tcp("add the-key 0 0 1\r\n2\r\n", "NOT_STORED\r\n");
    EXPECT_EQ(maps().version(key), version);
}

TEST_F(SilentChanges, ExpiryTicksWhenTheItemIsUnlinked)
{
    store(key, "1", 0, 1);
    const std::uint64_t version = maps().version(key);

    wait_until("the item expires",
               [this] { return udp().ask(fmt::format("get {}\r\n", key)) == "END\r\n"; });
    EXPECT_GT(maps().version(key), version);
    expect_absence_granted(key);
}

TEST_F(SilentChanges, CrawlerTicks)
{
    store(key, "1", 0, 1);
    const std::uint64_t version = maps().version(key);

    wait_until("the crawler reclaims the item", [this, version] {
        tcp().ask("lru_crawler crawl all\r\n");
        return maps().version(key) > version;
    });
    expect_absence_granted(key);
}

TEST_F(SilentChanges, EvictionTicks)
{
    const std::string big(100000, 'x');

    store(key, big);
    const std::uint64_t version = maps().version(key);

    // 64 MB of memory: this is a tenth more than what they need.
    for (int i = 0; i < 720; i++)
        store(fmt::format("filler-{}", i), big);
    expect_tcp("get the-key\r\n", "END\r\n");
    EXPECT_GT(maps().version(key), version);
}

} // namespace

} // namespace bmc::test
