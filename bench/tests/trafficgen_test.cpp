// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/neighbor.h"
#include "bench/trafficgen/netlink.h"
#include "bench/trafficgen/program_times.h"
#include "bench/trafficgen/thread_time.h"

#include <cstring>
#include <gtest/gtest.h>
#include <unistd.h>

namespace trafficgen
{
namespace
{

TEST(ParseThread, TakesPidWithAndWithoutThread)
{
    EXPECT_EQ(parse_thread("12")->pid, 12);
    EXPECT_EQ(parse_thread("12")->tid, 0);
    EXPECT_EQ(parse_thread("12/34")->pid, 12);
    EXPECT_EQ(parse_thread("12/34")->tid, 34);
    for (const char *text : {"", "x", "0", "-1", "12/", "/12", "12/0", "12/x", "12 ", "1/2/3"})
        EXPECT_FALSE(parse_thread(text)) << text;
}

TEST(CpuTime, OfThisProcessGrowsWithItsWork)
{
    const std::vector<ThreadName> self = {{getpid(), 0}};
    const std::vector<ThreadName> thread = {{getpid(), gettid()}};
    const auto before = cpu_time_ns(self);
    ASSERT_TRUE(before);

    // The sum is brought up to date at clock ticks: works until one has come.
    int64_t after = *before;
    while (after == *before) {
        const auto now = cpu_time_ns(self);
        ASSERT_TRUE(now);
        after = *now;
    }
    EXPECT_GT(after, *before);
    const auto one = cpu_time_ns(thread);
    ASSERT_TRUE(one);
    EXPECT_GT(*one, 0);
}

TEST(CpuTime, OfNoneIsZeroAndOfAStrangerAnError)
{
    EXPECT_EQ(*cpu_time_ns({}), 0);
    EXPECT_FALSE(cpu_time_ns({{INT32_MAX, 0}}));
    EXPECT_FALSE(cpu_time_ns({{getpid(), INT32_MAX}}));
}

TEST(ParseMac, TakesSixBytes)
{
    const auto mac = parse_mac("02:00:5e:Ab:0:1f");
    ASSERT_TRUE(mac);
    const uint8_t bytes[] = {0x02, 0x00, 0x5e, 0xab, 0x00, 0x1f};
    EXPECT_EQ(std::memcmp(mac->byte, bytes, sizeof bytes), 0);
    for (const char *text : {"", "02", "02:00:5e:00:00", "02:00:5e:00:00:01:02",
                             "g2:00:5e:00:00:01", "02:00:5e:00:00:01 ", "002:00:5e:00:00:01"})
        EXPECT_FALSE(parse_mac(text)) << text;
}

TEST(Netlink, FindsAttributesAndStopsAtBrokenOnes)
{
    NetlinkRequest request(1, 0, {});
    const uint32_t number = 77;
    request.add(5, {"abc", 3});
    request.add(6, bytes_of(number));
    const auto attributes = request.bytes().subspan(NLMSG_HDRLEN);

    nlmsghdr header;
    std::memcpy(&header, request.bytes().data(), sizeof header);
    EXPECT_EQ(header.nlmsg_len, request.bytes().size());
    const auto text = find_attribute(attributes, 5);
    ASSERT_TRUE(text);
    EXPECT_EQ(std::string(text->begin(), text->end()), "abc");
    EXPECT_EQ(find_u32(attributes, 6), 77U);
    EXPECT_FALSE(find_u32(attributes, 5)); // too short for a number
    EXPECT_FALSE(find_attribute(attributes, 7));
    EXPECT_FALSE(find_attribute(attributes.first(attributes.size() - 1), 6));
    EXPECT_FALSE(find_attribute(attributes.first(2), 5));
}

TEST(ProgramTimes, AreWhatHasHappenedBetween)
{
    const std::vector<ProgramTime> before = {{"a", 10, 1000, 5, 0, 0}, {"b", 0, 0, 6, 0, 0}};
    const std::vector<ProgramTime> after = {
        {"a", 14, 1900, 5, 0, 0}, {"b", 0, 0, 6, 0, 0}, {"c", 3, 30, 7, 0, 0}};
    const auto grown = difference(before, after);

    ASSERT_EQ(grown.size(), 3U);
    EXPECT_EQ(grown[0].runs, 4U);
    EXPECT_EQ(grown[0].time_ns, 900U);
    EXPECT_EQ(grown[0].verified_instructions, 5U);
    EXPECT_EQ(grown[1].runs, 0U);
    EXPECT_EQ(grown[2].runs, 3U);
}

} // namespace
} // namespace trafficgen
