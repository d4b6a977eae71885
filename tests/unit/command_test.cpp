// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/protocol/command.h"

#include <gtest/gtest.h>

#include "tests/unit/reference.h"
#include "tests/unit/text.h"

namespace bmc::test
{
namespace
{

struct Found {
    bmc_command_kind kind = BMC_COMMAND_CUT;
    std::string key;
    std::uint32_t next = 0;
};

Found command_at(std::string_view bytes, std::uint32_t pos = 0, Slack slack = Slack::zeros)
{
    const Text text(bytes, slack);
    bmc_command c{};
    Found found;

    found.kind = bmc_command_at(text.get(), pos, static_cast<__u32>(bytes.size()), &c);
    if (found.kind == BMC_COMMAND_WRITE)
        found.key = bytes.substr(c.key, c.key_length);
    if (found.kind != BMC_COMMAND_CUT)
        found.next = c.next;
    return found;
}

void expect_as_reference(std::string_view bytes, std::uint32_t pos)
{
    const reference::Command expected = reference::command_at(bytes, pos);

    for (const Slack slack : all_slacks) {
        const Found found = command_at(bytes, pos, slack);

        ASSERT_EQ(found.kind == BMC_COMMAND_CUT, expected.kind == reference::CommandKind::cut)
            << bytes;
        if (found.kind == BMC_COMMAND_CUT)
            continue;
        ASSERT_EQ(found.kind == BMC_COMMAND_WRITE, expected.kind == reference::CommandKind::write)
            << bytes;
        ASSERT_EQ(found.key, expected.key) << bytes;
        ASSERT_EQ(found.next, expected.next) << bytes;
        ASSERT_GT(found.next, pos); // a walk over commands comes to an end
    }
}

struct Case {
    std::string line; // with its CR LF
    std::string data; // what belongs to it behind the line
    std::string key;  // empty: changes none
};

// For messages: the verb.
void PrintTo(const Case &c, std::ostream *out)
{
    *out << c.line.substr(0, c.line.find_first_of(" \r\n"));
}

class Commands : public testing::TestWithParam<Case>
{
};

// Row 2: every command that changes what a get returns.
TEST_P(Commands, NameTheirKeyAndTheNextCommand)
{
    const auto &[line, data, key] = GetParam();

    for (const Slack slack : all_slacks) {
        for (const std::string_view before : {"", "x", "get a\r\n", "1234567"}) {
            const std::string text = std::string(before) + line + data + "get z\r\n";
            const auto pos = static_cast<std::uint32_t>(before.size());
            const Found found = command_at(text, pos, slack);

            EXPECT_EQ(found.kind, key.empty() ? BMC_COMMAND_OTHER : BMC_COMMAND_WRITE);
            EXPECT_EQ(found.key, key);
            EXPECT_EQ(found.next, pos + line.size() + data.size());
        }
    }
}

const std::string key250(250, 'k');
const std::string key251(251, 'k');

INSTANTIATE_TEST_SUITE_P(
    Command, Commands,
    testing::Values(Case{"set k 0 0 3\r\n", "abc\r\n", "k"}, Case{"add k 0 0 0\r\n", "\r\n", "k"},
                    Case{"replace key 1 2 3\r\n", "abc\r\n", "key"},
                    Case{"append key 0 0 1\r\n", "a\r\n", "key"},
                    Case{"prepend key 0 0 1\r\n", "a\r\n", "key"},
                    Case{"cas key 0 0 1 99\r\n", "a\r\n", "key"}, Case{"delete key\r\n", "", "key"},
                    Case{"delete key 0\r\n", "", "key"}, Case{"incr key 1\r\n", "", "key"},
                    Case{"decr key 1\r\n", "", "key"}, Case{"touch key 10\r\n", "", "key"},
                    Case{"gat 10 key\r\n", "", "key"}, Case{"gats 10 key\r\n", "", "key"},
                    Case{"gat -1 key other\r\n", "", "key"}, Case{"ms key 2\r\n", "ab\r\n", "key"},
                    Case{"ms key 2 T10 F5\r\n", "ab\r\n", "key"}, Case{"md key q\r\n", "", "key"},
                    Case{"ma key N10 J1\r\n", "", "key"}, Case{"mg key v T30\r\n", "", "key"},
                    Case{"mg key\r\n", "", "key"}));

INSTANTIATE_TEST_SUITE_P(
    CommandForms, Commands,
    testing::Values(
        Case{"set k 0 0 3 noreply\r\n", "abc\r\n", "k"}, Case{"delete k noreply\r\n", "", "k"},
        Case{"set  k   0    0     3      noreply\r\n", "abc\r\n", "k"},
        Case{"set        k 0 0 3\r\n", "abc\r\n", "k"}, Case{"set k 0 -1 3\r\n", "abc\r\n", "k"},
        Case{"set k 0 0 3\n", "abc\r\n", "k"}, Case{"delete k\n", "", "k"},
        // row 6: a value that looks like commands
        Case{"set k1 0 0 6\r\n", "offset\r\n", "k1"},
        Case{"set k1 0 0 17\r\n", "set k2 0 0 1\r\nxyz\r\n", "k1"},
        Case{"set k 0 0 5\r\n", "\r\n\r\n\n\r\n", "k"},
        Case{"set \xc3\xa9 0 0 1\r\n", "\xff\r\n", "\xc3\xa9"},
        Case{"set " + key250 + " 0 0 1\r\n", "a\r\n", key250},
        Case{"set " + key251 + " 0 0 1\r\n", "", ""}, Case{"delete " + key250 + "\r\n", "", key250},
        Case{"delete " + key251 + "\r\n", "", ""},
        Case{"delete " + std::string(700, 'k') + "\r\n", "", ""},
        // numbers that cannot be read: the next line is a command
        Case{"set k 0 0\r\n", "", "k"}, Case{"set k 0 0 x\r\n", "", "k"},
        Case{"set k 0 0 1x\r\n", "", "k"}, Case{"set k\r\n", "", "k"},
        Case{"set k 0 0 99999999999\r\n", "", "k"}, Case{"ms k\r\n", "", "k"},
        Case{"ms k S3\r\n", "", "k"}));

INSTANTIATE_TEST_SUITE_P(
    CommandsWithoutAKey, Commands,
    testing::Values(Case{"get k\r\n", "", ""}, Case{"gets k\r\n", "", ""},
                    Case{"flush_all\r\n", "", ""}, Case{"stats\r\n", "", ""},
                    Case{"version\r\n", "", ""}, Case{"mn\r\n", "", ""}, Case{"me k\r\n", "", ""},
                    Case{"verbosity 1\r\n", "", ""}, Case{"quit\r\n", "", ""}, Case{"\r\n", "", ""},
                    Case{"\n", "", ""}, Case{"set\r\n", "", ""}, Case{"set \r\n", "", ""},
                    Case{"gat 1\r\n", "", ""}, Case{"gat 1 \r\n", "", ""},
                    Case{"gat " + std::string(300, '1') + " k\r\n", "", ""},
                    Case{"delete \r\n", "", ""}, Case{"SET k 0 0 1\r\n", "", ""},
                    Case{"sets k 0 0 1\r\n", "", ""}, Case{"setx 0 0 1\r\n", "", ""},
                    Case{"mss k 1\r\n", "", ""}, Case{"md\r\n", "", ""},
                    Case{"replacd k 0 0 1\r\n", "", ""}, Case{"appends k 0 0 1\r\n", "", ""},
                    Case{"incrk 1\r\n", "", ""}, Case{"touch\r\n", "", ""},
                    Case{"deleted k\r\n", "", ""}, Case{"gatsx 1 k\r\n", "", ""}));

TEST(Command, LineThatDoesNotEndIsCut)
{
    const std::string whole = "set key 0 0 3 noreply\r\n";

    for (std::size_t length = 0; length < whole.size(); length++)
        for (const Slack slack : all_slacks)
            EXPECT_EQ(command_at(whole.substr(0, length), 0, slack).kind, BMC_COMMAND_CUT)
                << length;
}

// Row 5: data that the datagram does not hold whole ends behind its end.
TEST(Command, DataCutShortEndsBeyondTheText)
{
    const std::string line = "set key 0 0 10\r\n";

    for (std::size_t length = 0; length < 12; length++) {
        const std::string text = line + std::string("0123456789\r\n").substr(0, length);

        for (const Slack slack : all_slacks) {
            const Found found = command_at(text, 0, slack);
            EXPECT_EQ(found.kind, BMC_COMMAND_WRITE);
            EXPECT_GT(found.next, text.size());
        }
    }
    // more than any datagram holds: the walk ends
    EXPECT_EQ(command_at("set key 0 0 1489\r\nabc\r\n").next, 23U);
    EXPECT_EQ(command_at("set key 0 0 4294967295\r\nabc\r\n").next, 29U);
}

TEST(Command, EveryChangedByteIsReadAsTheReferenceReadsIt)
{
    for (const std::string_view whole :
         {"set key 0 -1 3 noreply\r\nabc\r\n", "replace k 1 2 0\r\n\r\n", "prepend k 1 2 0\r\n",
          "append k 1 2 0\r\n", "delete key\r\n", "touch key 1\r\n", "gats 10 key b\r\n",
          "ms key 3 T1\r\nabc\r\n", "incr a 1\r\n", "cas k 1 2 3 4\r\nabc\r\n"})
        for (std::size_t at = 0; at < whole.size(); at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                std::string bytes(whole);

                bytes[at] = static_cast<char>(byte);
                expect_as_reference(bytes, 0);
            }
}

TEST(Command, GeneratedSequencesAreWalkedAsTheReferenceWalksThem)
{
    std::mt19937 random(11);
    constexpr std::string_view words[] = {
        "set",     "add",       "replace", "append",     "prepend", "cas",    "delete",  "incr",
        "decr",    "touch",     "gat",     "gats",       "ms",      "md",     "ma",      "mg",
        "get",     "flush_all", "0",       "1",          "-1",      "12",     "k",       "key:17",
        "noreply", "\xff\x80",  "\t",      "4294967296", "T30",     "offset", "VALUE k", ""};

    for (int i = 0; i < 40000; i++) {
        std::string bytes;
        const std::size_t count = random() % 24;

        for (std::size_t k = 0; k < count; k++) {
            bytes += words[random() % std::size(words)];
            bytes += random() % 4 == 0 ? "\r\n" : std::string(1 + random() % 64 / 56, ' ');
        }
        for (std::uint32_t pos = 0, steps = 0; pos < bytes.size() && steps < 64; steps++) {
            expect_as_reference(bytes, pos);
            if (HasFatalFailure())
                return;
            const Found found = command_at(bytes, pos);
            if (found.kind == BMC_COMMAND_CUT)
                break;
            pos = found.next;
        }
    }
}

// A datagram of well-formed commands: exactly the keys of its writes.
TEST(Command, WellFormedDatagramsNameExactlyTheirKeys)
{
    std::mt19937 random(12);

    for (int i = 0; i < 10000; i++) {
        std::string bytes;
        std::vector<std::string> expected, found;

        while (bytes.size() < 900) {
            const std::string key = random_string(random, 1 + random() % 20, "abc\x81:");
            const std::string data = random_string(random, random() % 50);

            switch (random() % 5) {
            case 0:
                bytes += "set " + key + " 1 0 " + std::to_string(data.size()) + "\r\n" + data;
                break;
            case 1:
                bytes += "ms " + key + " " + std::to_string(data.size()) + " T0\r\n" + data;
                break;
            case 2:
                bytes += "delete  " + key + " noreply";
                break;
            case 3:
                bytes += "gat 10 " + key;
                break;
            default:
                bytes += "get " + key + "\r\n";
                continue;
            }
            bytes += "\r\n";
            expected.push_back(key);
        }
        for (std::uint32_t pos = 0; pos < bytes.size();) {
            const Found command = command_at(bytes, pos, Slack::random);
            ASSERT_NE(command.kind, BMC_COMMAND_CUT);
            if (command.kind == BMC_COMMAND_WRITE)
                found.push_back(command.key);
            pos = command.next;
        }
        ASSERT_EQ(found, expected);
    }
}

} // namespace
} // namespace bmc::test
