// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/abi/sample.h"

#include <gtest/gtest.h>

namespace bmc::test
{
namespace
{

TEST(LatencyBucket, IsTheNumberOfBits)
{
    EXPECT_EQ(bmc_latency_bucket(0), 0U);
    for (std::uint32_t bits = 1; bits < BMC_LATENCY_BUCKETS; bits++) {
        EXPECT_EQ(bmc_latency_bucket(1U << (bits - 1)), bits);
        EXPECT_EQ(bmc_latency_bucket((1U << bits) - 1), bits);
    }
}

TEST(MissLatency, IsTheTimeBetween)
{
    const __u64 mix = 0x123456789abcdef0;

    EXPECT_EQ(bmc_miss_latency(bmc_miss_word(mix, 1000), bmc_miss_word(mix, 1000)), 0U);
    EXPECT_EQ(bmc_miss_latency(bmc_miss_word(mix, 1000), bmc_miss_word(mix, 1234)), 234U);
    // over the end of what the word holds
    EXPECT_EQ(bmc_miss_latency(bmc_miss_word(mix, BMC_MISS_TIME_MASK),
                               bmc_miss_word(mix, BMC_MISS_TIME_MASK + 5)),
              5U);
}

TEST(MissLatency, IsNoneOfWhatIsNoPair)
{
    const __u64 mix = 0x123456789abcdef0;
    const __u64 word = bmc_miss_word(mix, 1000);

    EXPECT_EQ(bmc_miss_latency(0, word), BMC_LATENCY_MAX);
    EXPECT_EQ(bmc_miss_latency(bmc_miss_word(mix ^ 2, 1000), word), BMC_LATENCY_MAX);
    EXPECT_EQ(bmc_miss_latency(word, bmc_miss_word(mix, 999)), BMC_LATENCY_MAX);
    EXPECT_EQ(bmc_miss_latency(word, bmc_miss_word(mix, 1001 + BMC_LATENCY_MAX)), BMC_LATENCY_MAX);
    EXPECT_NE(bmc_miss_word(0, 0), 0U);
}

/* Ids of one client follow each other: they must not all be sampled, or none. */
TEST(FlowMix, SamplesSequencesOfIdsEvenly)
{
    for (const std::uint16_t port : {1, 40000, 40001, 65535}) {
        unsigned sampled = 0;
        for (std::uint32_t id = 0; id < 0x10000; id++) // in network byte order
            sampled += bmc_is_miss_sampled(
                bmc_flow_mix(0x02004d0a, port, static_cast<__u16>(id << 8 | id >> 8)));
        EXPECT_NEAR(sampled, 0x10000 / BMC_MISSES_PER_SAMPLE, 0x10000 / BMC_MISSES_PER_SAMPLE / 5);
    }
}

} // namespace
} // namespace bmc::test
