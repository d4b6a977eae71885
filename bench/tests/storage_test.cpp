// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/random.h"
#include "bench/storage/caches.h"
#include "bench/storage/hit_ratio.h"
#include "bench/storage/speed.h"
#include "bench/storage/trace.h"
#include "bmc/lib/memory.h"
#include "bmc/protocol/udp_frame.h"
#include "tests/harness/paths.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <set>
#include <string>

namespace storage
{
namespace
{

constexpr uint32_t blocks_of_bucket = BMC_BUCKET_BLOCKS - BMC_HEADER_BLOCKS;

KeySet keys_of(uint64_t count, const std::string &value_size, uint64_t seed = 1)
{
    return {*loadgen::Content::make(count, 16, *loadgen::SizeDistribution::parse(value_size)),
            seed};
}

template <class AnyCache>
std::string hits(AnyCache &cache, const std::vector<uint32_t> &trace)
{
    std::string text;

    for (const uint32_t key : trace)
        text += cache.get(key) ? 'H' : '.';
    return text;
}

TEST(KeySet, TextIsThatOfTheReply)
{
    const KeySet keys = keys_of(2000, "0-700");

    for (uint32_t key = 0; key < keys.size(); key++) {
        bmc_text text{};
        keys.write_text(key, text);
        const std::string_view all(reinterpret_cast<const char *>(text.byte), keys.length(key));
        const size_t line = all.find("\r\n");

        ASSERT_EQ(all.substr(0, 6), "VALUE ");
        const std::string digits = std::to_string(key);
        ASSERT_EQ(all.substr(6, 16), std::string(16 - digits.size(), 'k') + digits);
        const size_t size = std::stoul(std::string(all.substr(all.rfind(' ', line) + 1)));
        ASSERT_EQ(line + 2 + size + 2, all.size());
        ASSERT_EQ(all.substr(all.size() - 2), "\r\n");
        ASSERT_EQ(keys.blocks(key), (32 + all.size() + 63) / 64);
    }
}

TEST(KeySet, SeedMakesTheHash)
{
    EXPECT_EQ(keys_of(10, "32", 5).hash(3), keys_of(10, "32", 5).hash(3));
    EXPECT_NE(keys_of(10, "32", 5).hash(3), keys_of(10, "32", 6).hash(3));
}

// Entries of 23 blocks: five fit into the 124 blocks of a bucket.
TEST(LruCache, EvictsTheLeastRecentlyUsed)
{
    const KeySet keys = keys_of(10, "1380");
    ASSERT_EQ(keys.blocks(0), 23U);
    LruCache cache(keys, 1);

    EXPECT_EQ(hits(cache, {0, 1, 2, 3, 4, 0, 5, 1, 0, 3, 2, 4, 1}), ".....H..HH..H");
}

TEST(LruCache, LargeEntriesPushOutSeveralSmallOnes)
{
    const KeySet keys = keys_of(1000, "32:1,1380:1");
    std::vector<uint32_t> small, large;
    for (uint32_t key = 0; key < keys.size(); key++)
        (keys.blocks(key) == 2 ? small : large).push_back(key);
    LruCache cache(keys, 1);

    for (uint32_t i = 0; i < 62; i++)
        EXPECT_FALSE(cache.get(small[i]));
    EXPECT_FALSE(cache.get(large[0])); // in place of the twelve oldest
    for (uint32_t i = 12; i < 62; i++)
        EXPECT_TRUE(cache.get(small[i]));
    EXPECT_TRUE(cache.get(large[0]));
    EXPECT_FALSE(cache.get(small[0]));
}

TEST(DirectMappedCache, TheLastOfASlotWins)
{
    const KeySet keys = keys_of(100, "32");
    DirectMappedCache one(keys, 1320, DirectMappedCache::original_slot_size);

    EXPECT_EQ(hits(one, {0, 0, 1, 1, 0, 0}), ".H.H.H");
}

TEST(DirectMappedCache, SlotsFollowTheHash)
{
    const KeySet keys = keys_of(1000, "32");
    constexpr uint32_t slots = 10;
    DirectMappedCache cache(keys, slots * 1320, DirectMappedCache::original_slot_size);
    std::vector<uint32_t> last(slots, ~0U);
    loadgen::Random random(3);

    for (int i = 0; i < 10000; i++) {
        const auto key = static_cast<uint32_t>(random.below(30));
        uint32_t &expected = last.at(bmc_bucket_index(keys.hash(key), slots));
        ASSERT_EQ(cache.get(key), expected == key);
        expected = key;
    }
}

TEST(DirectMappedCache, WhatIsLargerThanASlotIsNotHeld)
{
    const KeySet keys = keys_of(10, "1380");
    DirectMappedCache original(keys, 13200, DirectMappedCache::original_slot_size);
    DirectMappedCache fitting(keys, 14400, DirectMappedCache::fitting_slot_size(keys));

    EXPECT_EQ(hits(original, {0, 0}), "..");
    EXPECT_EQ(hits(fitting, {0, 0}), ".H");
}

// With room for all, a key hits if and only if it was asked for before. There are
// no two keys of one tag in a bucket here; such keys push each other out.
TEST(BucketCache, EveryRepeatedKeyHitsIfAllFit)
{
    const KeySet keys = keys_of(3000, "0-600:9,1300");
    constexpr uint32_t buckets = 4000;
    std::set<std::pair<uint32_t, uint16_t>> places;
    for (uint32_t key = 0; key < keys.size(); key++)
        ASSERT_TRUE(
            places.emplace(bmc_bucket_index(keys.hash(key), buckets), bmc_tag(keys.hash(key)))
                .second);
    BucketCache cache(keys, buckets);
    std::set<uint32_t> seen;
    loadgen::Random random(4);

    for (int i = 0; i < 30000; i++) {
        const auto key = static_cast<uint32_t>(random.below(keys.size()));
        ASSERT_EQ(cache.get(key), !seen.insert(key).second) << i;
    }
    EXPECT_EQ(cache.evicted(), 0U);
    EXPECT_EQ(cache.entries(), seen.size());
}

TEST(BucketCache, HoldsWhatItsBlocksHold)
{
    const KeySet keys = keys_of(1000, "32");
    BucketCache cache(keys, 2);

    for (uint32_t key = 0; key < keys.size(); key++)
        cache.get(key);
    EXPECT_EQ(cache.entries(), 2 * (blocks_of_bucket / 2));
    EXPECT_EQ(cache.used_blocks(), uint64_t{2} * blocks_of_bucket);
    EXPECT_EQ(cache.evicted(), keys.size() - cache.entries());
}

TEST(Caches, ValuesThatNoEntryHoldsAlwaysMiss)
{
    const KeySet keys = keys_of(10, "4000");
    const HitRatios ratios = measure_hit_ratios(keys, {1, 1, 1, 1}, 100);

    for (size_t cache = 0; cache < cache_count; cache++)
        EXPECT_EQ(ratios.ratio[cache], 0) << cache_names[cache];
}

TEST(HitRatio, IsThatOfTheSecondHalf)
{
    const KeySet keys = keys_of(10, "32");
    const HitRatios ratios = measure_hit_ratios(keys, {0, 1, 2, 3, 0, 1, 2, 4}, 100);

    EXPECT_EQ(ratios.gets, 4U);
    EXPECT_EQ(ratios.ratio[lru], 0.75);
    EXPECT_EQ(ratios.ratio[buckets], 0.75);
    EXPECT_EQ(ratios.entries, 5U);
}

TEST(Trace, IsTheSameFromTheSameSeed)
{
    for (const Scenario &scenario : scenarios({}, 1000)) {
        const auto trace = make_trace(scenario, 5000, 7);

        EXPECT_EQ(trace.size(), 5000U);
        EXPECT_EQ(trace, make_trace(scenario, 5000, 7));
        EXPECT_NE(trace, make_trace(scenario, 5000, 8));
        EXPECT_LT(*std::max_element(trace.begin(), trace.end()), 1000U);
    }
}

TEST(Trace, OtherKeysBecomePopular)
{
    const auto list = scenarios({}, 1000);
    const auto shift = std::find_if(list.begin(), list.end(),
                                    [](const Scenario &scenario) { return scenario.shift; });
    ASSERT_NE(shift, list.end());
    const auto trace = make_trace(*shift, 100000, 7);
    const auto middle = trace.begin() + 50000;
    const auto often = std::count(trace.begin(), middle, 0);

    EXPECT_GT(often, 5000);
    EXPECT_LT(std::count(middle, trace.end(), 0), often / 5);
    // every key is still asked for by somebody's rank
    EXPECT_GT(std::set<uint32_t>(middle, trace.end()).size(), 900U);
}

TEST(Trace, SweepMeetsEveryKey)
{
    const auto list = scenarios({}, 1000);
    const auto scan = std::find_if(list.begin(), list.end(), [](const Scenario &scenario) {
        return scenario.sweep_share > 0;
    });
    ASSERT_NE(scan, list.end());
    const auto trace = make_trace(*scan, 10000, 7); // 2000 of them walk

    EXPECT_EQ(std::set<uint32_t>(trace.begin(), trace.end()).size(), 1000U);
}

TEST(Scenarios, EveryWorkloadWithEntriesIsThereOnce)
{
    const auto workloads = runner::read_workloads(bmc::test::source_path("bench/workloads"));
    const auto list = scenarios(workloads, 5000);
    std::multiset<std::string> names;

    for (const Scenario &scenario : list) {
        names.insert(scenario.workload.name);
        names.insert(scenario.same.begin(), scenario.same.end());
        EXPECT_EQ(scenario.workload.keys, 5000U);
    }
    for (const runner::Workload &workload : workloads)
        EXPECT_EQ(names.count(workload.name), workload.name == "all_large" ? 0U : 1U)
            << workload.name;
    EXPECT_EQ(names.count("uniform"), 1U);
}

TEST(Capacity, IsThatOfTheBuckets)
{
    const Capacity capacity = measure_capacity(4 << 20, 1);

    EXPECT_EQ(capacity.bucket_count, bmc::split_memory(4 << 20).bucket_count);
    EXPECT_LE(capacity.entries, uint64_t{62} * capacity.bucket_count);
    EXPECT_GT(capacity.entries, uint64_t{60} * capacity.bucket_count);
    EXPECT_DOUBLE_EQ(capacity.items_per_gib(), static_cast<double>(capacity.entries) * 256);
}

} // namespace
} // namespace storage
