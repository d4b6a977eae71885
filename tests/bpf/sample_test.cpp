// SPDX-License-Identifier: BSD-3-Clause

// What the programs sample: keys of hits, and the latency of gets that go up.
#include "tests/bpf/datapath.h"

#include <algorithm>
#include <arpa/inet.h>
#include <numeric>

#include <bpf/bpf.h>

#include "bmc/abi/sample.h"
#include "tests/harness/error.h"

namespace bmc::test
{
namespace
{

class Sample : public BpfTest
{
  protected:
    void SetUp() override
    {
        BpfTest::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        fill_map("key_samples", BMC_KEY_SAMPLES, sizeof(bmc_key_sample) * cpus());
        fill_map("miss_latency", 1, sizeof(bmc_latency) * cpus());
        fill_map("miss_times", BMC_MISS_PLACES, sizeof(__u64));
    }

    static std::size_t cpus() { return static_cast<std::size_t>(libbpf_num_possible_cpus()); }

    static void fill_map(const char *name, __u32 count, std::size_t size)
    {
        const std::vector<unsigned char> zeros(size);
        for (__u32 i = 0; i < count; i++)
            ASSERT_EQ(bpf_map_update_elem(dp().map_fd(name), &i, zeros.data(), BPF_ANY), 0);
    }

    /// The keys that were sampled, sorted; each must have its hash.
    static std::vector<std::string> keys()
    {
        std::vector<bmc_key_sample> values(cpus());
        std::vector<std::string> found;

        for (__u32 i = 0; i < BMC_KEY_SAMPLES; i++) {
            EXPECT_EQ(bpf_map_lookup_elem(dp().map_fd("key_samples"), &i, values.data()), 0);
            for (const bmc_key_sample &value : values) {
                if (value.key_length == 0)
                    continue;
                found.emplace_back(reinterpret_cast<const char *>(value.key), value.key_length);
                EXPECT_EQ(value.hash, dp().hash(found.back()));
            }
        }
        std::sort(found.begin(), found.end());
        return found;
    }

    static bmc_latency latency()
    {
        std::vector<bmc_latency> values(cpus());
        const __u32 zero = 0;
        bmc_latency sum{};

        EXPECT_EQ(bpf_map_lookup_elem(dp().map_fd("miss_latency"), &zero, values.data()), 0);
        for (const bmc_latency &value : values) {
            for (unsigned i = 0; i < BMC_LATENCY_BUCKETS; i++)
                sum.count[i] += value.count[i];
            sum.sum_us += value.sum_us;
        }
        return sum;
    }
    static std::uint64_t total()
    {
        const bmc_latency all = latency();
        return std::accumulate(std::begin(all.count), std::end(all.count), std::uint64_t{0});
    }

    /// Places of misses that wait for their reply.
    static std::size_t waiting()
    {
        std::size_t found = 0;
        for (__u32 i = 0; i < BMC_MISS_PLACES; i++) {
            __u64 word = 0;
            EXPECT_EQ(bpf_map_lookup_elem(dp().map_fd("miss_times"), &i, &word), 0);
            found += word != 0 ? 1 : 0;
        }
        return found;
    }

    /// The request of this flow that is sampled, and the word that tells its place.
    struct Sampled {
        Around around;
        __u64 mix = 0;
    };
    static Sampled sampled_flow()
    {
        for (std::uint16_t id = 0;; id++) {
            const __u64 mix = bmc_flow_mix(inet_addr("10.77.0.2"), htons(40000), htons(id));
            if (bmc_is_miss_sampled(mix))
                return {{.request_id = id}, mix};
        }
    }
};

/* Hits of one CPU are counted; the test may move to another, so there are many. */
TEST_F(Sample, OneHitInSoManyLeavesItsKey)
{
    constexpr unsigned samples = 16;

    dp().fill("a", 0, "v");
    for (unsigned i = 0; i < samples * BMC_HITS_PER_SAMPLE; i++)
        dp().rx(request("get a\r\n"));
    const std::vector<std::string> found = keys();
    EXPECT_GE(found.size(), samples - cpus());
    EXPECT_LE(found.size(), samples + cpus());
    EXPECT_EQ(std::count(found.begin(), found.end(), "a"), static_cast<long>(found.size()));
}

TEST_F(Sample, KeyIsTheLastOfItsRequestAndWhole)
{
    const std::string longest(BMC_KEY_MAX, 'k');

    dp().fill("a", 0, "v");
    dp().fill(longest, 0, "v");
    for (unsigned i = 0; i < 2 * cpus() * BMC_HITS_PER_SAMPLE; i++)
        dp().rx(request("get a " + longest + "\r\n"));
    const std::vector<std::string> found = keys();
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.front(), longest);
    EXPECT_EQ(found.back(), longest);
}

TEST_F(Sample, MissesLeaveNoKey)
{
    for (unsigned i = 0; i < 2 * cpus() * BMC_HITS_PER_SAMPLE; i++)
        dp().rx(request("get a\r\n"));
    EXPECT_EQ(keys(), std::vector<std::string>{});
}

TEST_F(Sample, OneMissInSoManyIsTimedOnce)
{
    constexpr unsigned requests = 1024;

    for (const Family family : {Family::ipv4, Family::ipv6}) {
        const std::uint64_t before = total();
        for (unsigned id = 0; id < requests; id++)
            dp().rx(request("get a\r\n",
                            {.family = family, .request_id = static_cast<std::uint16_t>(id)}));
        const std::size_t noted = waiting();
        EXPECT_GT(noted, requests / BMC_MISSES_PER_SAMPLE / 2);
        EXPECT_LT(noted, requests / BMC_MISSES_PER_SAMPLE * 2);
        EXPECT_EQ(total(), before);
        for (int repeated = 0; repeated < 2; repeated++)
            for (unsigned id = 0; id < requests; id++)
                dp().tx(reply("END\r\n",
                              {.family = family, .request_id = static_cast<std::uint16_t>(id)}));
        EXPECT_EQ(total(), before + noted);
        EXPECT_EQ(waiting(), 0U);
    }
}

TEST_F(Sample, LatencyIsTheTimeFromRequestToReply)
{
    const auto [around, mix] = sampled_flow();
    const __u32 place = bmc_miss_place(mix);
    constexpr std::uint64_t us = 3'000'000; // of 2^21 to 2^22
    const __u64 word = bmc_miss_word(mix, monotonic_ns() / 1000 - us);

    ASSERT_EQ(bpf_map_update_elem(dp().map_fd("miss_times"), &place, &word, BPF_ANY), 0);
    dp().tx(reply("END\r\n", around));
    EXPECT_EQ(latency().count[22], 1U);
    EXPECT_EQ(total(), 1U);
    EXPECT_GE(latency().sum_us, us);
}

TEST_F(Sample, NeitherAnotherFlowNorALateReplyCounts)
{
    const auto [around, mix] = sampled_flow();
    const __u32 place = bmc_miss_place(mix);
    const __u64 now = monotonic_ns() / 1000;
    const __u64 other = bmc_miss_word(mix ^ 0x100, now);
    const __u64 late = bmc_miss_word(mix, now - BMC_LATENCY_MAX - 1);

    for (const __u64 word : {other, late, __u64{0}}) {
        ASSERT_EQ(bpf_map_update_elem(dp().map_fd("miss_times"), &place, &word, BPF_ANY), 0);
        dp().tx(reply("END\r\n", around));
        EXPECT_EQ(total(), 0U);
    }
}

TEST_F(Sample, OnlyTheFirstDatagramOfAReplyCounts)
{
    const auto [around, mix] = sampled_flow();

    dp().rx(request("get a\r\n", around));
    ASSERT_EQ(waiting(), 1U);
    dp().tx(reply("END\r\n", around, 0, 1, 2));
    EXPECT_EQ(total(), 0U);
    dp().tx(reply("VALUE a 0 1\r\nv\r\n", around, 0, 0, 2));
    EXPECT_EQ(total(), 1U);
}

TEST_F(Sample, HitsAreNotTimed)
{
    dp().fill("a", 0, "v");
    for (unsigned id = 0; id < 1024; id++)
        dp().rx(request("get a\r\n", {.request_id = static_cast<std::uint16_t>(id)}));
    EXPECT_EQ(waiting(), 0U);
}

} // namespace
} // namespace bmc::test
