// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/protocol/scan.h"

#include <gtest/gtest.h>

#include "bmc/protocol/udp_frame.h"
#include "tests/unit/reference.h"
#include "tests/unit/text.h"

namespace bmc::test
{
namespace
{

// Bytes around every border that a scanner knows, signs and borrows included.
constexpr std::string_view
    border_bytes("\x00\x01\t\n\x0b\x0c\r\x1f !/09:@\x7f\x80\x81\x9f\xa0\xa1\xfe\xff", 23);

void expect_token_end(const Text &text, std::string_view bytes, std::uint32_t pos)
{
    const std::size_t expected = reference::token_end(bytes, pos);
    const std::uint32_t found =
        bmc_token_end(text.get(), pos, static_cast<std::uint32_t>(bytes.size()));

    if (expected - pos <= BMC_KEY_MAX)
        ASSERT_EQ(found, expected) << "at " << pos << " of " << bytes.size();
    else
        ASSERT_GT(found - pos, static_cast<std::uint32_t>(BMC_KEY_MAX)) << "at " << pos;
}

void expect_line_end(const Text &text, std::string_view bytes, std::uint32_t pos)
{
    ASSERT_EQ(bmc_line_end(text.get(), pos, static_cast<std::uint32_t>(bytes.size())),
              reference::line_end(bytes, pos).value_or(0))
        << "at " << pos << " of " << bytes.size();
}

// Every word that can be made of two bytes around a border, in all places.
TEST(Scan, MarksTheFirstByteBelow)
{
    for (unsigned n = 1; n <= 128; n++) {
        for (const char low : border_bytes) {
            for (const char other : border_bytes) {
                for (std::uint32_t at = 0; at < 8; at++) {
                    std::array<std::uint8_t, 8> bytes{};
                    std::uint64_t word = 0;

                    bytes.fill(static_cast<std::uint8_t>(other));
                    bytes.at(at) = static_cast<std::uint8_t>(low);
                    std::memcpy(&word, bytes.data(), sizeof(word));
                    const auto *const first = std::find_if(bytes.begin(), bytes.end(),
                                                           [n](std::uint8_t b) { return b < n; });
                    const std::uint64_t marks = bmc_bytes_below(word, n);
                    ASSERT_EQ(marks != 0, first != bytes.end()) << n << " " << std::hex << word;
                    if (marks != 0) {
                        ASSERT_EQ(bmc_first_mark(marks), first - bytes.begin())
                            << n << " " << std::hex << word;
                    }
                }
            }
        }
    }
}

TEST(Scan, TokenAndLineEndAtEveryPlace)
{
    for (const Slack slack : all_slacks) {
        for (std::uint32_t length = 0; length <= 300; length++) {
            const std::string plain(length, 'x');
            const Text none(plain, slack);

            expect_token_end(none, plain, 0);
            expect_line_end(none, plain, 0);
            for (const char c : {' ', '\n', '\x80', '\x8a'}) {
                for (std::uint32_t at = 0; at < length; at += 1 + (length > 40 ? 7 : 0)) {
                    std::string bytes = plain;

                    bytes[at] = c;
                    const Text text(bytes, slack);
                    for (const std::uint32_t pos : {0U, 1U, at, at + 1}) {
                        if (pos > length)
                            continue;
                        expect_token_end(text, bytes, pos);
                        expect_line_end(text, bytes, pos);
                    }
                }
            }
        }
    }
}

TEST(Scan, GeneratedTextsScanAsByteByByte)
{
    std::mt19937 random(8);

    for (int i = 0; i < 60000; i++) {
        const std::uint32_t length = random() % (i % 10 == 0 ? BMC_TEXT_MAX + 1 : 64);
        std::string bytes = i % 3 == 0 ? random_string(random, length)
                                       : random_string(random, length, border_bytes);
        if (i % 3 == 2) // few delimiters, so that tokens and lines are long
            for (char &c : bytes)
                if (static_cast<std::uint8_t>(c) <= ' ' && random() % 64 != 0)
                    c = '\xa0';
        const Text text(bytes, all_slacks.at(random() % all_slacks.size()));

        for (int k = 0; k < 8; k++) {
            const std::uint32_t pos = random() % (length + 1);

            expect_token_end(text, bytes, pos);
            expect_line_end(text, bytes, pos);
        }
    }
}

TEST(Scan, LongestTextIsScannedToItsEnd)
{
    std::string bytes(BMC_TEXT_MAX, 'x');

    bytes.back() = '\n';
    for (const Slack slack : all_slacks) {
        const Text text(bytes, slack);

        EXPECT_EQ(bmc_line_end(text.get(), 0, BMC_TEXT_MAX), static_cast<__u32>(BMC_TEXT_MAX));
        EXPECT_EQ(bmc_line_end(text.get(), BMC_TEXT_MAX - 1, BMC_TEXT_MAX),
                  static_cast<__u32>(BMC_TEXT_MAX));
        EXPECT_EQ(bmc_line_end(text.get(), BMC_TEXT_MAX, BMC_TEXT_MAX), 0U);
        EXPECT_EQ(bmc_token_end(text.get(), BMC_TEXT_MAX, BMC_TEXT_MAX),
                  static_cast<__u32>(BMC_TEXT_MAX));
    }
}

TEST(Scan, PositionBehindTheEndFindsNothing)
{
    const Text text("abc def\n", Slack::random);

    EXPECT_EQ(bmc_token_end(text.get(), 9, 8), 8U);
    EXPECT_EQ(bmc_line_end(text.get(), 9, 8), 0U);
}

TEST(Scan, TooLongTokensAreTooLong)
{
    for (std::uint32_t length = 245; length <= 600; length++) {
        const std::string bytes = std::string(length, 'k') + " x";

        for (std::uint32_t pos = 0; pos < 9; pos++)
            expect_token_end(Text(bytes, Slack::zeros), bytes, pos);
    }
}

TEST(Scan, Numbers)
{
    struct Case {
        std::string_view text;
        std::uint64_t value;
        std::uint32_t digits;
    };
    for (const auto &[bytes, value, digits] : std::initializer_list<Case>{
             {"0 ", 0, 1},
             {"7\r\n", 7, 1},
             {"007 ", 7, 3},
             {"4294967295 ", 4294967295, 10},
             {"4294967296 ", 4294967296, 10},
             {"9999999999 ", 9999999999, 10},
             {"99999999999 ", 9999999999, 10}, // the eleventh digit stays unread
             {"", 0, 0},
             {" 1", 0, 0},
             {"-1", 0, 0},
             {"+1", 0, 0},
             {"/", 0, 0},
             {":", 0, 0},
             {"1/", 1, 1},
             {"1:", 1, 1},
             {"\xb1", 0, 0},
             {"12\xb3", 12, 2},
         }) {
        const Text text(bytes, Slack::zeros);
        const bmc_number n = bmc_number_at(text.get(), 0);

        EXPECT_EQ(n.value, value) << bytes;
        EXPECT_EQ(n.end, digits) << bytes;
    }
}

TEST(Scan, GeneratedNumbersReadAsByteByByte)
{
    std::mt19937 random(9);

    for (int i = 0; i < 100000; i++) {
        const std::uint32_t pos = random() % 16;
        const std::string bytes = random_string(random, pos) +
                                  random_string(random, random() % 13, "0123456789") +
                                  random_string(random, 1, border_bytes);
        const bmc_number n = bmc_number_at(Text(bytes, Slack::zeros).get(), pos);
        const auto expected = reference::number_at(bytes, pos);

        ASSERT_EQ(n.end, expected ? expected->end : pos) << bytes;
        ASSERT_EQ(n.value, expected ? expected->value : 0) << bytes;
    }
}

TEST(Scan, PositionsAreBounded)
{
    const Text text("", Slack::zeros);

    for (const std::uint32_t pos : {0U, 1U, BMC_TEXT_MAX - 1U, 0U + BMC_TEXT_MAX}) {
        EXPECT_EQ(bmc_bounded(pos), pos);
        EXPECT_EQ(bmc_forget(text.get(), pos), pos);
    }
    for (const std::uint32_t pos : {BMC_TEXT_MAX + 1U, 0x80000000U, 0xffffffffU}) {
        EXPECT_EQ(bmc_bounded(pos), static_cast<__u32>(BMC_TEXT_MAX));
        EXPECT_EQ(bmc_forget(text.get(), pos), static_cast<__u32>(BMC_TEXT_MAX));
    }
}

// Row 21: only (any id, sequence 0, total 1, reserved 0) is a whole request.
TEST(UdpFrame, OnlyThePlainHeaderIsWhole)
{
    const auto is_whole = [](unsigned id, unsigned sequence, unsigned total, unsigned reserved) {
        std::string header;

        for (const unsigned field : {id, sequence, total, reserved}) {
            header.push_back(static_cast<char>(field >> 8));
            header.push_back(static_cast<char>(field));
        }
        return bmc_frame_is_whole(Text(header, Slack::random).get()) != 0;
    };

    for (const unsigned id : {0U, 1U, 0x100U, 0xffffU, 0xbeefU})
        EXPECT_TRUE(is_whole(id, 0, 1, 0)) << id;
    for (unsigned bit = 0; bit < 16; bit++) {
        EXPECT_FALSE(is_whole(1, 1U << bit, 1, 0)) << bit;
        EXPECT_FALSE(is_whole(1, 0, 1 ^ 1U << bit, 0)) << bit;
        EXPECT_FALSE(is_whole(1, 0, 1, 1U << bit)) << bit;
    }
    EXPECT_FALSE(is_whole(1, 0, 0, 0));
    EXPECT_FALSE(is_whole(1, 5, 1, 0));
    EXPECT_FALSE(is_whole(1, 0, 1, 0xbeef));
}

} // namespace
} // namespace bmc::test
