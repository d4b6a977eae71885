// SPDX-License-Identifier: BSD-3-Clause
//
// Values that the origin leaves with a grant: a get that misses is filled from there.
#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "tests/bpf/datapath.h"

namespace bmc::test
{
namespace
{

using Grant = BpfTest;

Counts taken(std::uint64_t keys)
{
    return {{"rx_requests", 1}, {"rx_gets", 1},      {"hit", 1},
            {"hit_keys", keys}, {"fill_keys", keys}, {"fill_grant_keys", keys}};
}

TEST_F(Grant, ValueIsTakenAndThenCached)
{
    const std::string text = value_text("key", 7, "value") + "END\r\n";

    dp().leave_value("key", 7, "value");
    expect_reply(dp(), "get key\r\n", text);
    EXPECT_EQ(dp().counts(), taken(1));
    dp().grant_slot("key") = {};
    expect_reply(dp(), "get key\r\n", text);
    EXPECT_EQ(dp().counts(),
              (Counts{{"rx_requests", 1}, {"rx_gets", 1}, {"hit", 1}, {"hit_keys", 1}}));
}

TEST_F(Grant, ReplacesWhatWasWrittenOver)
{
    dp().fill("key", 0, "old");
    dp().clock("key") += BMC_CLOCK_TICK;
    expect_pass(dp(), request("get key\r\n"), get_counts("rx_miss_clock"));
    dp().leave_value("key", 0, "new");
    expect_reply(dp(), "get key\r\n", value_text("key", 0, "new") + "END\r\n");
    EXPECT_EQ(dp().counts(), taken(1));
    EXPECT_EQ(dp().entries(), 1U);
}

TEST_F(Grant, EveryLengthThatFits)
{
    for (std::size_t length = 0;; length++) {
        const std::string value(length, 'v');
        const std::string text = value_text("key", 1, value);

        if (text.size() > BMC_GRANT_TEXT_MAX)
            break;
        dp().reset();
        dp().leave_value("key", 1, value);
        expect_reply(dp(), "get key\r\n", text + "END\r\n");
        ASSERT_FALSE(HasFailure()) << length;
    }
}

TEST_F(Grant, SeveralKeys)
{
    std::string line = "get", text;

    for (int i = 0; i < 10; i++) {
        const std::string key = "k" + std::to_string(i);
        dp().leave_value(key, 0, "v" + key);
        line += " " + key;
        text += value_text(key, 0, "v" + key);
    }
    dp().fill("cached", 0, "c");
    expect_reply(dp(), line + "\r\n", text + "END\r\n");
    EXPECT_EQ(dp().counts(), taken(10));
    dp().reset();
    dp().fill("cached", 0, "c");
    dp().leave_value("left", 0, "l");
    dp().grant_absent("absent");
    expect_reply(dp(), "get cached left absent left\r\n",
                 value_text("cached", 0, "c") + value_text("left", 0, "l") +
                     value_text("left", 0, "l") + "END\r\n");
}

// Each takes three of the kernel's tail calls.
TEST_F(Grant, MoreKeysThanOnePassCanTake)
{
    std::string line = "get";

    for (int i = 0; i < 11; i++) {
        const std::string key = "k" + std::to_string(i);
        dp().leave_value(key, 0, "v");
        line += " " + key;
    }
    dp().counts();
    expect_pass(dp(), request(line + "\r\n"),
                {{"rx_requests", 1},
                 {"rx_gets", 1},
                 {"rx_pass_keys", 1},
                 {"fill_keys", 10},
                 {"fill_grant_keys", 10}});
}

TEST_F(Grant, OnlyAtItsVersionAndGeneration)
{
    dp().leave_value("key", 0, "value");
    dp().clock("key") += BMC_CLOCK_TICK;
    expect_pass(dp(), request("get key\r\n"), get_counts("rx_miss"));
    dp().clock("key") -= BMC_CLOCK_TICK;
    dp().control().generation += 2;
    expect_pass(dp(), request("get key\r\n"), get_counts("rx_miss"));
    dp().control().generation -= 2;
    dp().clock("key") |= BMC_CLOCK_VISITED; // no part of the version
    expect_reply(dp(), "get key\r\n", value_text("key", 0, "value") + "END\r\n");
}

TEST_F(Grant, NotAfterItsDeadline)
{
    dp().leave_value("key", 0, "value", 1);
    dp().counts();
    expect_pass(dp(), request("get key\r\n"),
                {{"rx_requests", 1},
                 {"rx_gets", 1},
                 {"rx_miss_expired", 1},
                 {"fill_keys", 1},
                 {"fill_grant_keys", 1}});
}

// Half-written texts, and texts of other keys or values: none is served.
TEST_F(Grant, EveryBitOfTheTextCounts)
{
    const std::string text = value_text("key", 300, "a value");

    for (std::size_t bit = 0; bit < 8 * text.size(); bit++) {
        dp().reset();
        dp().leave_value("key", 300, "a value");
        dp().grant_slot("key").text[bit / 8] ^= static_cast<__u8>(1U << bit % 8);
        const Bytes frame = request("get key\r\n");
        const auto out = dp().rx(frame);
        ASSERT_EQ(out.verdict, pass_up) << bit;
        ASSERT_EQ(out.frame, frame);
        ASSERT_EQ(dp().entries(), 0U) << bit;
    }
}

TEST_F(Grant, EveryWrongLengthCounts)
{
    const std::string text = value_text("key", 0, "value");

    for (const std::uint32_t length :
         {1U, 5U, 6U, 20U, 0U + BMC_GRANT_TEXT_MAX, BMC_GRANT_TEXT_MAX + 1U, 1488U, 100000U, ~0U}) {
        ASSERT_NE(length, text.size());
        dp().reset();
        dp().leave_value("key", 0, "value");
        dp().grant("key").text_length = length;
        const auto out = dp().rx(request("get key\r\n"));
        ASSERT_EQ(out.verdict, pass_up) << length;
        ASSERT_EQ(dp().entries(), 0U) << length;
    }
}

TEST_F(Grant, TextOfAnotherKey)
{
    // the same value, so that the content is the one granted
    const std::string other = value_text("kez", 0, "value");

    dp().leave_value("key", 0, "value");
    std::copy(other.begin(), other.end(), dp().grant_slot("key").text);
    const auto out = dp().rx(request("get key\r\n"));
    EXPECT_EQ(out.verdict, pass_up);
    EXPECT_EQ(dp().entries(), 0U);
}

TEST_F(Grant, StageThatIsNotThere)
{
    dp().leave_value("key", 0, "value");
    dp().remove_stage(request_stages(), 2);
    expect_pass(dp(), request("get key\r\n"), get_counts("rx_pass_tail_call"));
}

} // namespace
} // namespace bmc::test
