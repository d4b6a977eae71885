// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/protocol/value.h"

#include <gtest/gtest.h>

#include "tests/unit/reference.h"
#include "tests/unit/text.h"

namespace bmc::test
{
namespace
{

struct Found {
    bmc_value_result result = BMC_VALUE_NONE;
    bmc_value value{};
};

Found value_at(std::string_view bytes, std::uint32_t pos, Slack slack = Slack::zeros)
{
    const Text text(bytes, slack);
    Found found;

    found.result = bmc_value_at(text.get(), pos, static_cast<__u32>(bytes.size()), &found.value);
    return found;
}

// The scanner, with every kind of slack, says what the reference says.
void expect_as_reference(std::string_view bytes, std::uint32_t pos)
{
    const reference::Value expected = reference::value_at(bytes, pos);

    for (const Slack slack : all_slacks) {
        const auto [result, v] = value_at(bytes, pos, slack);

        switch (expected.kind) {
        case reference::ValueKind::none:
            ASSERT_EQ(result, BMC_VALUE_NONE) << bytes;
            break;
        case reference::ValueKind::syntax:
            ASSERT_EQ(result, BMC_VALUE_SYNTAX) << bytes;
            break;
        case reference::ValueKind::ok:
            ASSERT_EQ(result, BMC_VALUE_OK) << bytes;
            ASSERT_EQ(bytes.substr(v.key, v.key_length), expected.key);
            ASSERT_EQ(v.flags, expected.flags);
            ASSERT_EQ(bytes.substr(v.data, v.data_length), expected.data);
            ASSERT_EQ(v.end, expected.end);
            break;
        }
    }
}

TEST(Value, PlainForm)
{
    const auto [result, v] = value_at("VALUE key 42 5\r\nab\ncd\r\nEND\r\n", 0);

    ASSERT_EQ(result, BMC_VALUE_OK);
    EXPECT_EQ(v.key, 6U);
    EXPECT_EQ(v.key_length, 3U);
    EXPECT_EQ(v.flags, 42U);
    EXPECT_EQ(v.data, 16U);
    EXPECT_EQ(v.data_length, 5U);
    EXPECT_EQ(v.end, 23U);
}

struct Case {
    std::string_view description;
    std::string text;
    bmc_value_result result;
};

// For messages.
void PrintTo(const Case &c, std::ostream *out)
{
    *out << c.description;
}

class ValueForms : public testing::TestWithParam<Case>
{
};

TEST_P(ValueForms, AreToldApart)
{
    for (const Slack slack : all_slacks)
        EXPECT_EQ(value_at(GetParam().text, 0, slack).result, GetParam().result);
    expect_as_reference(GetParam().text, 0);
}

std::string value_of(std::string_view key, std::size_t length)
{
    return "VALUE " + std::string(key) + " 0 " + std::to_string(length) + "\r\n" +
           std::string(length, 'v') + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    Value, ValueForms,
    testing::Values(
        Case{"empty value", "VALUE k 0 0\r\n\r\n", BMC_VALUE_OK},
        Case{"largest flags", "VALUE k 4294967295 1\r\nx\r\n", BMC_VALUE_OK},
        Case{"flags of 33 bits", "VALUE k 4294967296 1\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"flags with a zero in front", "VALUE k 01 1\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"flags of two zeros", "VALUE k 00 1\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"length with a zero in front", "VALUE k 0 01\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"eleven digits", "VALUE k 00000000001 1\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"huge length", "VALUE k 0 4294967297\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"length of 2^64 + 1", "VALUE k 0 18446744073709551617\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"row 17: reply to gets", "VALUE k 0 1 77\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"length too small", "VALUE k 0 1\r\nxy\r\n", BMC_VALUE_SYNTAX},
        Case{"length too large", "VALUE k 0 3\r\nxy\r\n", BMC_VALUE_SYNTAX},
        Case{"row 16: line feed in the value", "VALUE k 0 5\r\nab\ncd\r\n", BMC_VALUE_OK},
        Case{"CR LF in the value", "VALUE k 0 6\r\nab\r\ncd\r\n", BMC_VALUE_OK},
        Case{"END in the value", "VALUE k 0 7\r\n\r\nEND\r\n\r\n", BMC_VALUE_OK},
        Case{"no key", "VALUE  0 1\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"key of 250", value_of(std::string(250, 'k'), 3), BMC_VALUE_OK},
        Case{"key of 251", value_of(std::string(251, 'k'), 3), BMC_VALUE_SYNTAX},
        Case{"key of 256", value_of(std::string(256, 'k'), 3), BMC_VALUE_SYNTAX},
        Case{"key of 400", value_of(std::string(400, 'k'), 3), BMC_VALUE_SYNTAX},
        Case{"tab in the key", "VALUE a\tb 0 1\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"high bytes in the key", "VALUE \xc3\xa9\xff 0 1\r\nx\r\n", BMC_VALUE_OK},
        Case{"two spaces", "VALUE k  0 1\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"space before CR LF", "VALUE k 0 1 \r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"no flags", "VALUE k 1\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"negative length", "VALUE k 0 -1\r\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"LF only", "VALUE k 0 1\nx\r\n", BMC_VALUE_SYNTAX},
        Case{"LF only behind the value", "VALUE k 0 1\r\nx\n", BMC_VALUE_SYNTAX},
        Case{"verb only", "VALUE ", BMC_VALUE_SYNTAX}, Case{"END", "END\r\n", BMC_VALUE_NONE},
        Case{"lower case", "value k 0 1\r\nx\r\n", BMC_VALUE_NONE},
        Case{"other verb", "VALUES k 0 1\r\nx\r\n", BMC_VALUE_NONE},
        Case{"nothing", "", BMC_VALUE_NONE},
        Case{"largest that a text holds", value_of("k", BMC_TEXT_MAX - 18), BMC_VALUE_OK}),
    [](const auto &test) {
        std::string name(test.param.description);

        for (char &c : name)
            if (isalnum(static_cast<unsigned char>(c)) == 0)
                c = '_';
        return name;
    });

TEST(Value, CutShortAtEveryByte)
{
    const std::string whole = "VALUE some:key 12 9\r\n\r\nEND\r\n\xff.\r\n";

    ASSERT_EQ(value_at(whole, 0).result, BMC_VALUE_OK);
    for (std::size_t length = 0; length < whole.size(); length++) {
        const std::string_view part = std::string_view(whole).substr(0, length);

        for (const Slack slack : all_slacks)
            EXPECT_EQ(value_at(part, 0, slack).result,
                      length < 6 ? BMC_VALUE_NONE : BMC_VALUE_SYNTAX)
                << length;
        expect_as_reference(part, 0);
    }
}

// What is behind the end must not complete a value: the slack continues it.
TEST(Value, WholeOnlyInTheSlackIsCutShort)
{
    const std::string whole = "VALUE k 7 12\r\nabcdefghijkl\r\nEND\r\n";

    for (std::size_t length = 0; length < whole.size() - 5; length++) {
        const Text text(whole, Slack::zeros);
        bmc_value v{};

        EXPECT_NE(bmc_value_at(text.get(), 0, static_cast<__u32>(length), &v), BMC_VALUE_OK)
            << length;
    }
}

TEST(Value, EveryChangedByteIsReadAsTheReferenceReadsIt)
{
    const std::string whole = "xyVALUE k9 12 5\r\nab\r\nc\r\nEND\r\n";

    for (std::size_t at = 0; at < whole.size(); at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            std::string bytes = whole;

            bytes[at] = static_cast<char>(byte);
            expect_as_reference(bytes, 2);
        }
    }
}

TEST(Value, GeneratedReplies)
{
    std::mt19937 random(10);
    constexpr std::string_view pieces[] = {
        "VALUE ",    "k",   " ",    " 0 ",  "0",
        "1",         "17",  "\r\n", "\r",   "\n",
        "END\r\n",   "abc", "\t",   "\xff", "VALUE k 0 1\r\nx\r\n",
        "4294967296"};

    for (int i = 0; i < 40000; i++) {
        std::string bytes = i % 2 == 0 ? "VALUE " : "";
        const std::size_t count = random() % 10;

        for (std::size_t k = 0; k < count; k++)
            bytes += pieces[random() % std::size(pieces)];
        expect_as_reference(bytes, 0);
    }
    for (int i = 0; i < 20000; i++) {
        const std::string value = random_string(random, random() % 64);
        const std::string text = random_string(random, random() % 8) + "VALUE " +
                                 random_string(random, 1 + random() % 252, "ab\x80:") + " " +
                                 std::to_string(random() >> (random() % 32)) + " " +
                                 std::to_string(value.size() + (random() % 8 == 0 ? 1 : 0)) +
                                 "\r\n" + value + "\r\n";

        for (std::uint32_t pos = 0; pos < 9; pos++)
            expect_as_reference(text, pos);
    }
}

TEST(Value, EndIsTheEndOfTheText)
{
    const auto is_end = [](std::string_view bytes, std::uint32_t pos, std::uint32_t end) {
        return bmc_is_end(Text(bytes, Slack::zeros).get(), pos, end) != 0;
    };

    EXPECT_TRUE(is_end("END\r\n", 0, 5));
    EXPECT_TRUE(is_end("xxEND\r\n", 2, 7));
    EXPECT_FALSE(is_end("END\r\n", 0, 4));
    EXPECT_FALSE(is_end("END\r\nx", 0, 6));
    EXPECT_FALSE(is_end("END\r\r", 0, 5));
    EXPECT_FALSE(is_end("END\n\n", 0, 5));
    EXPECT_FALSE(is_end("ENDS\n", 0, 5));
    EXPECT_FALSE(is_end("", 0, 0));
}

} // namespace
} // namespace bmc::test
