// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/top.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bmc
{
namespace
{

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr uint64_t second_ns = 1'000'000'000;

/// Some traffic, `scale` times as much.
Snapshot snapshot(uint64_t time_ns, uint64_t scale)
{
    Snapshot one;

    one.time_ns = time_ns;
    one.stats.instance = "web";
    one.stats.origin_alive = true;
    one.stats.interfaces = {{"eth0", Mode::native, TcKind::tcx}};
    one.stats.counters[BMC_COUNTER_rx_gets] = 1000 * scale;
    one.stats.counters[BMC_COUNTER_hit] = 900 * scale;
    one.stats.counters[BMC_COUNTER_rx_miss] = 60 * scale;
    one.stats.counters[BMC_COUNTER_rx_miss_clock] = 30 * scale;
    one.stats.counters[BMC_COUNTER_fill_keys] = 70 * scale;
    one.stats.counters[BMC_COUNTER_evict_keys] = 8 * scale;
    one.stats.counters[BMC_COUNTER_invalidate_keys] = 4 * scale;
    one.samples.latency.count[7] = 90 * scale;
    one.samples.latency.count[10] = 9 * scale;
    one.samples.latency.count[20] = scale;
    return one;
}

double rate(const std::vector<Rate> &rates, std::string_view name)
{
    const auto found = std::find_if(rates.begin(), rates.end(),
                                    [name](const Rate &one) { return one.name == name; });
    return found == rates.end() ? -1 : found->per_second;
}

std::vector<std::string> texts(const std::vector<TopLine> &lines)
{
    std::vector<std::string> all;
    for (const TopLine &line : lines)
        all.push_back(line.text);
    return all;
}

TopView busy_view()
{
    Snapshot now = snapshot(12 * second_ns, 3);
    now.samples.keys = {{"rare", 1}, {"hot\n", 97}, {"warm", 2}};
    return compare(snapshot(10 * second_ns, 1), now, {{{64, 5, 640}, {1475, 7, 3 << 20}}, true}, 2);
}

TEST(Top, RatesAreOfTheTimeBetween)
{
    const TopView view = busy_view();

    EXPECT_EQ(view.seconds, 2);
    EXPECT_EQ(view.hit_ratio, 0.9);
    EXPECT_EQ(view.total_hit_ratio, 0.9);
    EXPECT_EQ(rate(view.rates, "gets"), 1000);
    EXPECT_EQ(rate(view.rates, "hits"), 900);
    EXPECT_EQ(rate(view.rates, "misses"), 100);
    EXPECT_EQ(rate(view.rates, "fills"), 70);
    EXPECT_EQ(rate(view.rates, "evictions"), 8);
    EXPECT_EQ(rate(view.rates, "invalidations"), 4);
    EXPECT_EQ(rate(view.misses, "a key is not cached"), 60);
    EXPECT_EQ(rate(view.misses, "a key was written since it was cached"), 30);
    EXPECT_EQ(rate(view.misses, "a bucket was being written"), 0);
    EXPECT_EQ(rate(view.misses, "passed up for another reason"), 10);
}

TEST(Top, HottestKeysFirst)
{
    const TopView view = busy_view();

    EXPECT_EQ(view.sampled_hits, 100U);
    ASSERT_EQ(view.hottest.size(), 2U);
    EXPECT_EQ(view.hottest[0].key, "hot\\x0a");
    EXPECT_EQ(view.hottest[0].share, 0.97);
    EXPECT_EQ(view.hottest[1].key, "warm");
}

TEST(Top, NothingHappened)
{
    const TopView view = compare(snapshot(second_ns, 0), snapshot(second_ns, 0), {}, 10);

    EXPECT_EQ(view.hit_ratio, std::nullopt);
    EXPECT_EQ(view.total_hit_ratio, std::nullopt);
    EXPECT_EQ(rate(view.rates, "gets"), 0);
    EXPECT_THAT(texts(layout(view, 80)), testing::Contains("hit ratio - in 0.0 s, - since attach"));
}

TEST(Top, PercentilesAreBoundsOfTheHistogram)
{
    const TopView view = busy_view();

    EXPECT_EQ(view.latency.total(), 200U);
    EXPECT_EQ(view.total_latency.total(), 300U);
    EXPECT_EQ(view.latency.below(0.5), 128U);
    EXPECT_EQ(view.latency.below(0.9), 128U);
    EXPECT_EQ(view.latency.below(0.91), 1024U);
    EXPECT_EQ(view.latency.below(0.99), 1024U);
    EXPECT_EQ(view.latency.below(0.999), 1U << 20);
    EXPECT_EQ(view.latency.below(1), 1U << 20);
    EXPECT_EQ(Latency().below(0.5), std::nullopt);
}

TEST(Top, LayoutSideBySide)
{
    const auto lines = layout(busy_view(), 80);

    EXPECT_THAT(
        texts(lines),
        ElementsAre(
            "web: eth0 (XDP native)", "hit ratio 90.0 % in 2.0 s, 90.0 % since attach", "",
            "per second                      misses per second",
            "     1000  gets                        60  a key is not cached",
            "      900  hits                        30  a key was written since it was cached",
            "      100  misses                       0  cached before a flush or restart of t",
            "       70  fills                        0  a key's exptime has come",
            "        8  evictions                    0  a bucket was being written",
            "        4  invalidations               10  passed up for another reason", "",
            "miss latency, us    p50 <    p90 <    p99 <  p99.9 <   samples",
            "  now                 128      128     1024  1048576       200",
            "  since attach        128      128     1024  1048576       300", "",
            "hottest keys of 100 samples     memory by size of text, estimated",
            "   97.0 %  hot\\x0a                   <=   64           5 entries      0.6 K",
            "    2.0 %  warm                      <= 1475           7 entries      3.0 M"));
    EXPECT_TRUE(lines[0].title);
    EXPECT_FALSE(lines[1].title);
    EXPECT_TRUE(lines[3].title);
    EXPECT_FALSE(lines[4].title);
}

TEST(Top, LayoutFitsEveryWidth)
{
    for (size_t width = 0; width < 200; width++)
        for (const TopLine &line : layout(busy_view(), width))
            EXPECT_LE(line.text.size(), width);
    const auto narrow = texts(layout(busy_view(), 40));
    EXPECT_THAT(narrow, testing::Contains("misses per second"));
    EXPECT_THAT(narrow, testing::Contains(StartsWith("memory by size of text")));
}

TEST(Top, NoOriginIsSaid)
{
    TopView view = busy_view();
    view.origin_alive = false;
    EXPECT_THAT(layout(view, 80)[0].text, HasSubstr("NO ORIGIN"));
}

} // namespace
} // namespace bmc
