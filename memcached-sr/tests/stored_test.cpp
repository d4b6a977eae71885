// SPDX-License-Identifier: BSD-3-Clause
//
// What a store leaves for bmc: a grant with the value's text, of keys that are asked for.

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

constexpr const char *stored = "STORED\r\n";
constexpr unsigned most_unasked = 5; ///< stores in a row that leave a text

std::string text_of(std::string_view key, std::string_view value, unsigned flags = 0)
{
    return fmt::format("VALUE {} {} {}\r\n{}\r\n", key, flags, value.size(), value);
}

class Stores : public WithMaps
{
  protected:
    /// Expects a grant of this value, in force, with its text; as a get prints it.
    void expect_text_left(std::string_view key, std::string_view value, unsigned flags = 0)
    {
        const bmc_grant left = maps().grant(key);

        EXPECT_EQ(maps().text(key), text_of(key, value, flags));
        EXPECT_EQ(left.check, bmc_grant_check(&left));
        EXPECT_EQ(left.version, maps().version(key));
        expect_value_granted(key, value, flags);

        const bmc_grant got = maps().grant(key);

        EXPECT_EQ(left.key_hash, got.key_hash);
        EXPECT_EQ(left.version, got.version);
        EXPECT_EQ(left.generation, got.generation);
        EXPECT_EQ(left.deadline_ns, got.deadline_ns);
        EXPECT_EQ(left.content, got.content);
        EXPECT_EQ(got.text_length, 0U); // it is in the reply
    }

    /// Expects that the place of the key's grant was not touched since it was cleared.
    void expect_nothing_left(std::string_view key)
    {
        EXPECT_EQ(maps().grant(key).key_hash, 0U);
        EXPECT_EQ(maps().grant(key).check, 0U);
        EXPECT_EQ(maps().grant(key).text_length, 0U);
    }

    /// Stores the key as if the kernel had answered a get of it just before.
    void store_after_hit(std::string_view key, std::string_view value, unsigned flags = 0,
                         int exptime = 0)
    {
        maps().clear_grant(key);
        maps().visit(key);
        store(key, value, flags, exptime);
    }
};

/// A command that stores the key, and the value then.
struct Store {
    std::string name;
    bool over; ///< an item of value "7"
    std::string command;
    std::string reply; ///< of a text command
    std::string value;
    unsigned flags = 0;
};

std::ostream &operator<<(std::ostream &out, const Store &store)
{
    return out << store.name;
}

std::string store_name(const testing::TestParamInfo<Store> &info)
{
    return info.param.name;
}

const std::vector<Store> text_stores = {
    {"set_new", false, "set k 5 0 1\r\n1\r\n", stored, "1", 5},
    {"set_over", true, "set k 4294967295 0 3\r\nnew\r\n", stored, "new", 4294967295},
    {"set_empty", true, "set k 0 0 0\r\n\r\n", stored, ""},
    {"set_for_a_while", true, "set k 0 1000 1\r\n1\r\n", stored, "1"},
    {"add", false, "add k 0 0 1\r\n1\r\n", stored, "1"},
    {"replace", true, "replace k 7 0 1\r\n8\r\n", stored, "8", 7},
    {"append", true, "append k 7 0 1\r\n8\r\n", stored, "78"},
    {"prepend", true, "prepend k 7 0 1\r\n8\r\n", stored, "87"},
    {"ms_new", false, "ms k 1 F9\r\n1\r\n", "HD\r\n", "1", 9},
    {"ms_over", true, "ms k 1 T1000\r\n1\r\n", "HD\r\n", "1"},
    {"ms_add", false, "ms k 1 ME\r\n1\r\n", "HD\r\n", "1"},
    {"ms_append", true, "ms k 1 MA\r\n1\r\n", "HD\r\n", "71"},
    {"ms_append_vivify", false, "ms k 1 MA N1000\r\n1\r\n", "HD\r\n", "1"},
    {"ms_prepend", true, "ms k 1 MP\r\n1\r\n", "HD\r\n", "17"},
    {"ms_replace", true, "ms k 1 MR\r\n1\r\n", "HD\r\n", "1"},
    {"md_value", true, "md k x\r\n", "HD\r\n", ""},
};

class EveryStore : public Stores, public testing::WithParamInterface<Store>
{
  protected:
    void prepare()
    {
        if (GetParam().over)
            store("k", "7");
        maps().clear_grant("k");
        maps().visit("k");
    }

    void expect_left()
    {
        EXPECT_FALSE(maps().visited("k"));
        expect_text_left("k", GetParam().value, GetParam().flags);
    }
};

using TextStore = EveryStore;

TEST_P(TextStore, OverTcp)
{
    prepare();
    expect_tcp(GetParam().command, GetParam().reply);
    expect_left();
}

TEST_P(TextStore, OverUdp)
{
    prepare();
    EXPECT_EQ(udp().ask(GetParam().command), GetParam().reply);
    expect_left();
}

INSTANTIATE_TEST_SUITE_P(All, TextStore, testing::ValuesIn(text_stores), store_name);

const std::string flags_7("\0\0\0\7\0\0\0\0", 8); // no exptime
const std::string initial_13("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\x0d\0\0\0\0", 20);

/// Commands of the binary protocol; `reply` is not used.
const std::vector<Store> binary_stores = {
    {"set", true, binary_request(0x01, "k", flags_7, "1"), "", "1", 7},
    {"setq", false, binary_request(0x11, "k", flags_7, "1"), "", "1", 7},
    {"add", false, binary_request(0x02, "k", flags_7, "1"), "", "1", 7},
    {"replace", true, binary_request(0x03, "k", flags_7, "1"), "", "1", 7},
    {"append", true, binary_request(0x0e, "k", "", "1"), "", "71"},
    {"prepend", true, binary_request(0x0f, "k", "", "1"), "", "17"},
    {"increment_new", false, binary_request(0x05, "k", initial_13, ""), "", "13"},
};

using BinaryStore = EveryStore;

TEST_P(BinaryStore, OverTcp)
{
    prepare();
    carry_out_binary(GetParam().command);
    expect_left();
}

INSTANTIATE_TEST_SUITE_P(All, BinaryStore, testing::ValuesIn(binary_stores), store_name);

TEST_F(Stores, LeaveTheTextOfCasIfItStores)
{
    store("k", "1");
    tcp().send("gets k\r\n");
    const std::string line = tcp().read_line();
    const std::string unique = line.substr(line.rfind(' ') + 1, line.size() - line.rfind(' ') - 3);
    tcp().read_until("END\r\n");

    maps().visit("k");
    expect_tcp(fmt::format("cas k 3 0 1 {}\r\n2\r\n", unique), stored);
    expect_text_left("k", "2", 3);

    maps().clear_grant("k");
    maps().visit("k");
    expect_tcp(fmt::format("cas k 0 0 1 {}\r\n3\r\n", unique), "EXISTS\r\n");
    expect_tcp("add k 0 0 1\r\n3\r\n", "NOT_STORED\r\n");
    expect_nothing_left("k");
}

TEST_F(Stores, LeaveNothingForKeysThatNobodyAsksFor)
{
    for (int i = 0; i < 10; i++)
        store("k", "1");
    expect_tcp("append k 0 0 1\r\n1\r\n", stored);
    // Nor for those that are only asked for over TCP.
    expect_tcp("get k\r\n", text_of("k", "11") + "END\r\n");
    store("k", "1");
    expect_nothing_left("k");
}

TEST_F(Stores, LeaveTheTextOfAKeyThatTheKernelDidNotHave)
{
    store("k", "1");
    EXPECT_EQ(udp().ask("get k\r\n"), text_of("k", "1") + "END\r\n");
    store("k", "2");
    expect_text_left("k", "2");
}

TEST_F(Stores, GoOnForAWhileIfNobodyAsks)
{
    const auto expect_left_at_first = [this] {
        for (unsigned i = 0; i < most_unasked; i++) {
            maps().clear_grant("k");
            store("k", fmt::format("{}", i));
            EXPECT_EQ(maps().text("k"), text_of("k", fmt::format("{}", i)));
        }
        maps().clear_grant("k");
        store("k", "one too many");
        expect_nothing_left("k");
    };

    store("k", "1");
    maps().visit("k");
    expect_left_at_first();
    expect_nothing_left("k");
    maps().visit("k");
    expect_left_at_first();
    EXPECT_EQ(udp().ask("get k\r\n"), text_of("k", "one too many") + "END\r\n");
    expect_left_at_first();

    // A number that grows in place, or is replaced by a longer one, is the same key's.
    store_after_hit("k", "8");
    expect_tcp("incr k 1\r\n", "9\r\n");
    expect_tcp("incr k 1\r\n", "10\r\n");
    store("k", "next");
    expect_text_left("k", "next");
}

TEST_F(Stores, LeaveNothingIfItDoesNotFit)
{
    // "VALUE k 0 431" CR LF, the value, CR LF.
    const std::string longest(BMC_GRANT_TEXT_MAX - 15 - 2, 'x');

    ASSERT_EQ(longest.size(), 431U);
    store_after_hit("k", longest);
    EXPECT_EQ(maps().grant("k").text_length, unsigned{BMC_GRANT_TEXT_MAX});
    expect_text_left("k", longest);
    store_after_hit("k", longest + "x");
    expect_nothing_left("k");
    store_after_hit("k", std::string(500000, 'x'));
    expect_nothing_left("k");

    const std::string key(250, 'k');

    store_after_hit(key, std::string("\r\nEND\r\n\0x", 9), 17);
    expect_text_left(key, std::string("\r\nEND\r\n\0x", 9), 17);
}

TEST_F(Stores, LeaveNothingThatExpiresAtOnce)
{
    store_after_hit("k", "1", 0, -1);
    expect_nothing_left("k");
    expect_tcp("get k\r\n", "END\r\n");
}

TEST_F(Stores, LeaveADeadline)
{
    store_after_hit("k", "1", 0, 100);
    EXPECT_NE(maps().grant("k").deadline_ns, BMC_NO_DEADLINE);
    expect_text_left("k", "1"); // with the deadline that a get grants

    store("forever", "1");
    expect_tcp("flush_all 1000\r\n", "OK\r\n");
    store_after_hit("forever", "1");
    EXPECT_NE(maps().grant("forever").deadline_ns, BMC_NO_DEADLINE);
    expect_text_left("forever", "1");
}

TEST_F(Stores, AreFlushed)
{
    store_after_hit("k", "1");
    expect_tcp("flush_all\r\n", "OK\r\n");
    EXPECT_NE(maps().grant("k").generation, maps().generation());

    store_after_hit("k", "2");
    expect_text_left("k", "2");
}

// What is stored in the second in which a delayed flush_all comes into force is
// flushed as well: memcached says STORED, but a get finds nothing.
TEST_F(Stores, LeaveNothingThatIsFlushedAtOnce)
{
    bool flushed_at_once = false;

    expect_tcp("flush_all 2\r\n", "OK\r\n");
    std::uint64_t generation = maps().generation();
    wait_until("the second of a flush was seen, and is over", [&, this] {
        store_after_hit("k", "1");
        const bmc_grant left = maps().grant("k");
        const std::uint64_t version = maps().version("k");
        const std::string reply = udp().ask("get k\r\n").value_or("no reply");

        if (reply == "END\r\n") {
            flushed_at_once = true;
            EXPECT_FALSE(left.check != 0 && left.version == version &&
                         left.generation == maps().generation());
        } else if (maps().generation() != generation && !flushed_at_once) { // missed it
            expect_tcp("flush_all 2\r\n", "OK\r\n");
            generation = maps().generation();
        }
        return flushed_at_once && reply != "END\r\n";
    });
}

TEST_F(Stores, LeaveNothingWhileTheGenerationIsOdd)
{
    // As if a flush_all were between its two steps.
    maps().set_generation(maps().generation() + 1);
    store_after_hit("k", "1");
    expect_nothing_left("k");
}

TEST_F(Stores, LeaveTheTextOfItemsWithoutCas)
{
    start_origin({"-C"});
    store_after_hit("k", "1", 7);
    expect_text_left("k", "1", 7);
}

TEST_F(Stores, LeaveTextsThatARestartVoids)
{
    store_after_hit("k", "1");
    const bmc_grant left = maps().grant("k");

    start_origin();
    EXPECT_NE(left.generation, maps().generation());
    expect_absence_granted("k");
    store_after_hit("k", "2");
    expect_text_left("k", "2");
}

TEST_F(Stores, ExptimesSetBehindThemVoidTheGrant)
{
    // `ma` stores the item first and sets its exptime then.
    for (const char *flags : {"N1000", "N0 T1000"}) {
        maps().clear_grant("k");
        maps().visit("k");
        expect_tcp(fmt::format("ma k {}\r\n", flags), "HD\r\n");
        EXPECT_NE(maps().grant("k").version, maps().version("k"));
        expect_value_granted("k", "0");
        expect_tcp("delete k\r\n", "DELETED\r\n");
    }
}

} // namespace

} // namespace bmc::test
