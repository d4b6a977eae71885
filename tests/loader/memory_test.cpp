// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/memory.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "bmc/abi/bucket.h"
#include "bmc/abi/layout.h"

namespace bmc
{
namespace
{

constexpr uint64_t mib = uint64_t{1} << 20;
constexpr uint64_t gib = uint64_t{1} << 30;

/// A file with this content, removed with the object.
class TextFile
{
  public:
    explicit TextFile(const std::string &content)
    {
        const int fd = mkstemp(path_.data());
        if (fd >= 0)
            close(fd);
        std::ofstream(path_) << content;
    }
    TextFile(const TextFile &) = delete;
    TextFile &operator=(const TextFile &) = delete;
    ~TextFile() { unlink(path_.c_str()); }

    const std::string &path() const { return path_; }

  private:
    std::string path_ = testing::TempDir() + "bmc-memory-XXXXXX";
};

TEST(SplitMemory, KnownSizes)
{
    const struct {
        uint64_t budget;
        uint32_t clocks, grants, buckets;
    } rows[] = {
        /* The smallest: 256 KiB of clocks, 128 KiB of grants, 640 KiB of buckets. */
        {mib, 32768, 256, 80},
        {256 * mib, 8U << 20, 65536, (256 - 64 - 32) * 128},
        {8 * gib, 256U << 20, 2U << 20, (8192 - 2048 - 1024) * 128},
    };

    for (const auto &row : rows) {
        const MemorySplit split = split_memory(row.budget);
        EXPECT_EQ(split.clock_count, row.clocks) << row.budget;
        EXPECT_EQ(split.grant_count, row.grants) << row.budget;
        EXPECT_EQ(split.bucket_count, row.buckets) << row.budget;
    }
}

TEST(SplitMemory, StockMemcachedHasSlotsAndLeases)
{
    for (const uint64_t budget : {mib, 256 * mib, 8 * gib}) {
        const MemorySplit split = split_memory(budget, OriginKind::stock);
        EXPECT_EQ(split.slot_count(), split.clock_count);
        EXPECT_TRUE(std::has_single_bit(split.clock_count));
        EXPECT_TRUE(std::has_single_bit(split.lease_count));
        EXPECT_GT(split.lease_count, 1U);
        EXPECT_EQ(split.grant_count, 1U);
        EXPECT_LE(split.bytes(), budget);
        EXPECT_GT(split.bytes(), budget - sizeof(bmc_bucket));
        EXPECT_GT(split.bucket_count * sizeof(bmc_bucket), budget / 2);
    }
    EXPECT_EQ(split_memory(mib).slot_count(), 0U);
}

TEST(SplitMemory, UsesTheBudgetAndNeverMore)
{
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> exponent(20, 43);

    for (int i = 0; i < 10000; i++) {
        const auto budget =
            std::max(min_memory, static_cast<uint64_t>(std::exp2(exponent(random))));
        const MemorySplit split = split_memory(budget);

        ASSERT_LE(split.bytes(), budget);
        ASSERT_LT(budget - split.bytes(), sizeof(bmc_bucket)) << budget;
        ASSERT_TRUE(std::has_single_bit(split.clock_count)) << budget;
        ASSERT_TRUE(std::has_single_bit(split.grant_count)) << budget;
        ASSERT_LE(uint64_t{split.clock_count} * sizeof(__u64), budget / 4) << budget;
        ASSERT_GE(uint64_t{split.bucket_count} * sizeof(bmc_bucket), budget / 2) << budget;
    }
}

TEST(AvailableMemory, KeepsASixteenthOfTheMachine)
{
    const TextFile file("MemTotal:       16000 kB\n"
                        "MemFree:         1000 kB\n"
                        "MemAvailable:    9000 kB\n"
                        "HugePages_Total:       3\n");
    const auto available = available_memory(file.path());

    ASSERT_TRUE(available);
    EXPECT_EQ(*available, 8000U * 1024);
}

TEST(AvailableMemory, IsNoneWhereLessThanTheReserveIsLeft)
{
    const TextFile file("MemTotal: 16000 kB\nMemAvailable: 900 kB\n");
    const auto available = available_memory(file.path());

    ASSERT_TRUE(available);
    EXPECT_EQ(*available, 0U);
}

TEST(AvailableMemory, IsAnErrorWithoutTheFile)
{
    EXPECT_FALSE(available_memory("/nonexistent"));
}

TEST(CheckMemory, HoldsTheLimits)
{
    EXPECT_TRUE(check_memory(mib, mib));
    EXPECT_FALSE(check_memory(mib - 1, gib));
    EXPECT_FALSE(check_memory(0, gib));
    EXPECT_FALSE(check_memory(gib + 1, gib));
    EXPECT_NE(check_memory(2 * gib, gib).error().line().find("1024 M"), std::string::npos);
}

} // namespace
} // namespace bmc
