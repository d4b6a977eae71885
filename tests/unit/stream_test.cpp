// SPDX-License-Identifier: BSD-3-Clause

// The follower of streams to a stock memcached: which keys a stream may change, wherever
// the pieces end in which it comes.
#include "bmc/protocol/stream.h"

#include <gtest/gtest.h>

#include "tests/unit/follower.h"

namespace bmc::test
{
namespace
{

using Writes = std::vector<std::string>;

struct Found {
    Writes writes;
    bool lost = false;

    bool operator==(const Found &) const = default;
};

void PrintTo(const Found &found, std::ostream *out)
{
    *out << testing::PrintToString(found.writes) << (found.lost ? ", lost" : "");
}

Found follow(const std::vector<std::string_view> &pieces, Slack slack = Slack::random)
{
    Follower follower(slack);

    for (const std::string_view piece : pieces)
        follower.feed(piece);
    return {follower.writes(), follower.is_lost()};
}

// Expects this of the stream whole, in two pieces cut anywhere, and byte by byte.
void expect(std::string_view stream, const Found &expected)
{
    SCOPED_TRACE(stream.substr(0, 60));
    for (const Slack slack : all_slacks)
        EXPECT_EQ(follow({stream}, slack), expected);
    for (std::size_t cut = 0; cut <= stream.size(); cut++)
        ASSERT_EQ(follow({stream.substr(0, cut), stream.substr(cut)}), expected)
            << "cut at " << cut;
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < stream.size(); i++)
        bytes.push_back(stream.substr(i, 1));
    EXPECT_EQ(follow(bytes), expected) << "byte by byte";
}

// The same for a stream in the middle of others.
void expect_writes(const std::string &stream, const Writes &writes)
{
    expect(stream, {writes, false});

    Writes all = {"before 0"};
    all.insert(all.end(), writes.begin(), writes.end());
    all.emplace_back("behind");
    expect("set before 1 0 3\r\nabc\r\n" + stream + "delete behind\r\n", {all, false});
}

void expect_lost(const std::string &stream)
{
    expect(stream, {{}, true});
    // Nothing behind it is believed.
    expect("delete a\r\n" + stream + "delete b\r\n", {{"a"}, true});
}

// Row 2.
TEST(Stream, EveryWriteOfTheAsciiProtocol)
{
    expect_writes("set k 0 0 3\r\nabc\r\n", {"k 0"});
    expect_writes("add k 0 10 0\r\n\r\n", {"k 10"});
    expect_writes("replace k 4294967295 2147483647 3 noreply\r\nabc\r\n", {"k 2147483647"});
    expect_writes("append k 0 -1 3\r\nabc\r\n", {"k 0"});
    expect_writes("prepend k 0 0 3\r\nabc\r\n", {"k 0"});
    expect_writes("cas k 0 5 3 99\r\nabc\r\n", {"k 5"});
    expect_writes("cas k 0 5 3 1234567890123456789 noreply\r\nabc\r\n", {"k 5"});
    expect_writes("delete k\r\n", {"k"});
    expect_writes("delete k 0 noreply\r\n", {"k"});
    expect_writes("incr k 1\r\ndecr other 18446744073709551615 noreply\r\n", {"k", "other"});
    expect_writes("touch k 10\r\ntouch k -5 noreply\r\n", {"k 10", "k 0"});
    expect_writes("gat 7 a bb ccc\r\ngats 0 d\r\n", {"a 7", "bb 7", "ccc 7", "d 0"});
    expect_writes("flush_all\r\nflush_all noreply\r\n", {"*", "*"});
    expect_writes("flush_all 30\r\nflush_all 5 noreply\r\nflush_all -1\r\nflush_all 0\r\n",
                  {"* 30", "* 5", "* 0", "* 0"});
}

TEST(Stream, EveryWriteOfTheMetaCommands)
{
    expect_writes("ms k 3\r\nabc\r\n", {"k"});
    expect_writes("ms k 3 T30 F5 I q O123 MS\r\nabc\r\n", {"k 30"});
    expect_writes("ms k 0 MA N20 T-1\r\n\r\n", {"k 20 0"});
    expect_writes("md k\r\nmd k q T10 I\r\n", {"k", "k 10"});
    expect_writes("ma k\r\nma k N60 J5 D2 T9\r\n", {"k", "k 60 9"});
    expect_writes("mg k v T30\r\nmg k N10 v t\r\n", {"k 30", "k 10"});
    // Base64: "foo", "a", "ab", all byte values.
    expect_writes("ms Zm9v 1 b\r\nx\r\n", {"foo"});
    expect_writes("md YQ== b\r\nmd YWI= q b\r\n", {"a", "ab"});
    expect_writes("ms APn/ 0 T5 b\r\n\r\n", {std::string("\0\xf9\xff 5", 5)});
    expect_writes("mg Zm9v T1 b\r\n", {"foo 1"});
}

TEST(Stream, WhatChangesNothing)
{
    expect_writes("get k\r\ngets a b c\r\nmg k v\r\nmg Zm9v b k v\r\nmn\r\nme k\r\n", {});
    expect_writes("stats\r\nstats settings\r\nversion\r\nverbosity 1\r\n\r\n\n   \r\n", {});
    expect_writes("lru_crawler metadump all\r\nslabs automove 1\r\nlru mode flat\r\nwatch\r\n"
                  "cache_memlimit 100\r\nquit\r\n",
                  {});
    expect_writes("get " + std::string(10000, 'k') + "\r\ngets a" + std::string(3000, ' ') + "b\n",
                  {});
}

TEST(Stream, SpacesAndLineFeeds)
{
    expect_writes("set  k   0    0     3      noreply\r\nabc\r\n", {"k 0"});
    expect_writes(" set k 0 0 1 \r\na\r\n", {"k 0"});
    expect_writes("set k 0 0 1\na\r\ndelete k\n", {"k 0", "k"});
    expect_writes("delete " + std::string(250, 'k') + "\r\n", {std::string(250, 'k')});
    expect_writes("set \xc3\xa9 0 0 1\r\n\xff\r\n", {"\xc3\xa9 0"});
}

// Rows 5 and 6.
TEST(Stream, ValuesAreNoCommands)
{
    expect_writes("set k1 0 0 6\r\noffset\r\nset k2 0 0 1\r\nx\r\n", {"k1 0", "k2 0"});
    expect_writes("set k1 0 0 17\r\nset k2 0 0 1\r\nxyz\r\n", {"k1 0"});
    expect_writes("set k 0 0 5\r\n\r\n\r\n\n\r\n", {"k 0"});
    expect_writes("ms k 12\r\nflush_all\r\nx\r\n", {"k"});
    // What the length says counts, whatever ends there: memcached goes on behind it.
    expect_writes("set k 0 0 3\r\nabcdeget x\r\n", {"k 0"});
}

TEST(Stream, LargeValues)
{
    for (const std::size_t size : {1400U, 1488U, 1489U, 3000U, 200000U}) {
        const std::string line = "set k 0 0 " + std::to_string(size) + "\r\n";
        const std::string stream = line + std::string(size, '\n') + "\r\ndelete next\r\n";

        for (const std::size_t piece : {1U, 7U, 1448U, 1487U, 1488U, 1489U, 65536U}) {
            Follower follower;
            for (std::size_t at = 0; at < stream.size(); at += piece) {
                follower.feed(std::string_view(stream).substr(at, piece));
                const std::size_t seen = std::min(at + piece, stream.size());
                EXPECT_EQ(follower.is_pending(),
                          seen >= line.size() && seen < line.size() + size + 2);
            }
            EXPECT_EQ(follower.writes(), (Writes{"k 0", "next"})) << size << " in " << piece;
            EXPECT_FALSE(follower.is_lost());
        }
    }
    // as large as any; memcached does not take it, and skips it
    Follower follower;
    follower.feed("set k 0 0 2147483645\r\n");
    EXPECT_EQ(follower.stream().value_left, 2147483647U);
    EXPECT_FALSE(follower.is_lost());
}

TEST(Stream, LongPipelines)
{
    std::string stream;
    Writes expected;

    for (int i = 0; i < 2000; i++) {
        const std::string key = "key:" + std::to_string(i);
        stream += i % 3 == 0   ? "set " + key + " 0 9 4\r\nabcd\r\n"
                  : i % 3 == 1 ? "delete " + key + "\r\n"
                               : "get " + key + "\r\n";
        if (i % 3 != 2)
            expected.push_back(key + (i % 3 == 0 ? " 9" : ""));
    }
    std::mt19937 random(21);
    for (int round = 0; round < 200; round++) {
        Follower follower(Slack::random);
        for (std::size_t at = 0; at < stream.size();) {
            const std::size_t piece = 1 + random() % (round % 2 == 0 ? 100 : 5000);
            follower.feed(std::string_view(stream).substr(at, piece));
            at += piece;
        }
        ASSERT_EQ(follower.writes(), expected);
        ASSERT_FALSE(follower.is_lost());
    }
}

// memcached since 1.4 takes them for this or that, or does not know them.
TEST(Stream, WhatCannotBeReadIsNotFollowed)
{
    const std::string key251(251, 'k');

    for (const std::string &line : {
             std::string("nonsense"),
             std::string("SET k 0 0 1"),
             std::string("set"),
             std::string("set k 0 0"),
             std::string("set k 0 0 x"),
             std::string("set k 0 0 1x"),
             std::string("set k 0 0 -1"),
             std::string("set k 0 0 +1"),
             std::string("set k 0 +5 1"),
             std::string("set k -1 0 1"),
             std::string("set k 0 0 2147483646"),
             std::string("set k 4294967296 0 1"),
             std::string("set k 0 2147483648 1"),
             std::string("set k 0 0 1 noreply more"),
             std::string("set k\t 0 0 1"),
             std::string("set k 0 0 1\r"),
             std::string("set k\0 0 0 1", 12),
             "set " + key251 + " 0 0 1",
             std::string("set          k 0 0 1"),
             std::string("cas k 0 0 1"),
             std::string("cas k 0 0 1 x"),
             std::string("cas k 0 0 1 12345678901234567890"),
             "delete " + key251,
             std::string("touch k"),
             std::string("touch k +10"),
             std::string("touch k 10x"),
             std::string("gat"),
             std::string("gat x k"),
             "gat 1 " + key251,
             std::string("flush_all +1"),
             std::string("flush_all 1x"),
             std::string("flush_allx"),
             std::string("ms k"),
             std::string("ms k S3"),
             std::string("ms k 2147483646"),
             std::string("md Zm9 b"),
             std::string("md Zm9*v b"),
             std::string("md Zm=v b"),
             std::string("md Z=== b"),
             std::string("md ==== b"),
             std::string("md k Tx"),
             std::string("md k T"),
             std::string("md k a b c d e f g h i j k l m n o p q"),
         })
        expect_lost(line + "\r\n");
    expect_lost("delete " + std::string(1500, ' ') + "k\r\n");
    expect_lost("gat 1" + std::string(1500, 'k') + "\r\n");
}

std::string request(unsigned opcode, std::string_view extras, std::string_view key,
                    std::string_view value = {}, unsigned magic = 0x80)
{
    const std::size_t body = extras.size() + key.size() + value.size();
    std::string bytes(24, '\0');

    bytes[0] = static_cast<char>(magic);
    bytes[1] = static_cast<char>(opcode);
    bytes[2] = static_cast<char>(key.size() >> 8);
    bytes[3] = static_cast<char>(key.size());
    bytes[4] = static_cast<char>(extras.size());
    for (unsigned i = 0; i < 4; i++)
        bytes[8 + i] = static_cast<char>(body >> (24 - 8 * i));
    bytes += extras;
    bytes += key;
    bytes += value;
    return bytes;
}

std::string binary_long(std::uint32_t number)
{
    std::string bytes(4, '\0');

    for (unsigned i = 0; i < 4; i++)
        bytes[i] = static_cast<char>(number >> (24 - 8 * i));
    return bytes;
}

// Row 3.
TEST(Stream, EveryWriteOfTheBinaryProtocol)
{
    const std::string store = binary_long(7) + binary_long(300);
    const std::string count = std::string(16, '\0') + binary_long(60);
    std::string stream;
    Writes expected;
    const auto add = [&](const std::string &bytes, const Writes &writes) {
        stream += bytes;
        expected.insert(expected.end(), writes.begin(), writes.end());
        expect(bytes, {writes, false});
    };

    for (const unsigned opcode : {0x01U, 0x02U, 0x03U, 0x11U, 0x12U, 0x13U}) {
        add(request(opcode, store, "key", "value"), {"key 300"});
        add(request(opcode, store, std::string(250, 'k')), {std::string(250, 'k') + " 300"});
    }
    for (const unsigned opcode : {0x0eU, 0x0fU, 0x19U, 0x1aU})
        add(request(opcode, "", "key", "value"), {"key"});
    for (const unsigned opcode : {0x04U, 0x14U})
        add(request(opcode, "", "key"), {"key"});
    for (const unsigned opcode : {0x05U, 0x06U, 0x15U, 0x16U}) {
        add(request(opcode, count, "key"), {"key 60"});
        add(request(opcode, std::string(16, '\0') + "\xff\xff\xff\xff", "key"), {"key"});
    }
    for (const unsigned opcode : {0x1cU, 0x1dU, 0x1eU, 0x23U, 0x24U})
        add(request(opcode, binary_long(0x80000000), "key"), {"key 2147483648"});
    for (const unsigned opcode : {0x08U, 0x18U}) {
        add(request(opcode, "", ""), {"*"});
        add(request(opcode, binary_long(9), ""), {"* 9"});
    }
    for (const unsigned opcode : {0x00U, 0x09U, 0x0cU, 0x0dU, 0x10U})
        add(request(opcode, "", "key"), {});
    for (const unsigned opcode : {0x07U, 0x0aU, 0x0bU, 0x10U, 0x17U})
        add(request(opcode, "", ""), {});
    // A value that looks like requests, and like commands.
    add(request(0x01, store, "key", request(0x04, "", "other") + "\r\ndelete x\r\n"), {"key 300"});
    expect(stream, {expected, false});
}

TEST(Stream, WhatCannotBeReadOfTheBinaryProtocol)
{
    const std::string store = binary_long(7) + binary_long(300);

    for (const std::string &bytes :
         {request(0x01, "", "key", "value"), request(0x01, store, "", "value"),
          request(0x01, store, std::string(251, 'k')), request(0x04, "", "key", "value"),
          request(0x04, "", ""), request(0x05, std::string(19, '\0'), "key"),
          request(0x1c, "", "key"), request(0x1c, binary_long(1), "key", "v"),
          request(0x08, "1", ""), request(0x08, "", "key"), request(0x00, "", "key", "v"),
          request(0x0a, "", "", "v"), request(0x21, "", "PLAIN", "x"), request(0x30, "", "key"),
          request(0x01, store, "key", "value", 0x81), request(0x01, std::string(21, 'e'), "key")})
        expect(request(0x04, "", "a") + bytes + request(0x04, "", "b"), {{"a"}, true});
    // a body that is shorter than its key
    std::string bytes = request(0x04, "", "key");
    bytes[11] = 2;
    expect(bytes + bytes, {{}, true});
}

// A connection keeps to the protocol that it has begun with.
TEST(Stream, ProtocolByTheFirstByte)
{
    expect("delete a\r\n" + request(0x04, "", "b"), {{"a"}, false});
    expect("delete a\r\n" + request(0x04, "", "b") + "\r\n", {{"a"}, true});
    expect(request(0x04, "", "b") + "delete a\r\ndelete a\r\ndelete a\r\n", {{"b"}, true});
}

// Streams at random: wherever the pieces end, they are read alike.
TEST(Stream, AnyPiecesAreReadAlike)
{
    std::mt19937 random(22);
    constexpr std::string_view words[] = {
        "set", "add",      "cas", "append",  "delete",  "incr",      "touch", "gat",
        "ms",  "md",       "ma",  "mg",      "get",     "flush_all", "0",     "1",
        "-1",  "12",       "k",   "key:17",  "noreply", "T30",       "b",     "Zm9v",
        "q",   "\xff\x80", "\t",  "version", "1500"};

    for (int i = 0; i < 20000; i++) {
        std::string stream;
        const std::size_t count = random() % 40;

        for (std::size_t k = 0; k < count; k++) {
            switch (random() % 8) {
            case 0:
                stream += "set k 0 0 " + std::to_string(random() % 40) + "\r\n";
                break;
            case 1:
                stream += "\r\n";
                break;
            default:
                stream += words[random() % std::size(words)];
                stream += random() % 4 == 0 ? "\r\n" : " ";
            }
        }
        const Found whole = follow({stream}, Slack::zeros);
        for (int round = 0; round < 3; round++) {
            std::vector<std::string_view> pieces;
            for (std::size_t at = 0; at < stream.size();) {
                const std::size_t piece = 1 + random() % 12;
                pieces.push_back(std::string_view(stream).substr(at, piece));
                at += piece;
            }
            ASSERT_EQ(follow(pieces), whole) << stream;
        }
    }
}

} // namespace
} // namespace bmc::test
