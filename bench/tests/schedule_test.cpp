// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/schedule.h"

#include <cmath>
#include <gtest/gtest.h>

namespace loadgen
{
namespace
{

TEST(Schedule, FixedIsEvenAndDoesNotDrift)
{
    Schedule schedule(3, Arrivals::fixed, 0, 1); // 333,333,333.3 ns
    EXPECT_EQ(schedule.due(), 0);
    schedule.advance();
    EXPECT_EQ(schedule.due(), 333'333'333);
    for (int i = 1; i < 3'000'000; i++)
        schedule.advance();
    EXPECT_EQ(schedule.due(), 1'000'000LL * 1'000'000'000);
}

TEST(Schedule, PhaseMovesByPartOfAnInterval)
{
    Schedule schedule(1000, Arrivals::fixed, 0.25, 1);
    EXPECT_EQ(schedule.due(), 250'000);
    schedule.advance();
    EXPECT_EQ(schedule.due(), 1'250'000);
}

// Exponential intervals: mean and standard deviation both 1/rate, and the share
// of intervals shorter than the mean 1 - 1/e.
TEST(Schedule, PoissonHasExponentialIntervals)
{
    constexpr int count = 1'000'000;
    Schedule schedule(100'000, Arrivals::poisson, 0, 9);
    double sum = 0;
    double squares = 0;
    int below_mean = 0;
    int64_t before = 0;

    for (int i = 0; i < count; i++) {
        const auto interval = static_cast<double>(schedule.due() - before);
        ASSERT_GE(interval, 0);
        before = schedule.due();
        sum += interval;
        squares += interval * interval;
        below_mean += interval < 10'000;
        schedule.advance();
    }
    const double mean = sum / count;
    EXPECT_NEAR(mean, 10'000, 50); // five standard errors
    EXPECT_NEAR(std::sqrt(squares / count - mean * mean), 10'000, 100);
    EXPECT_NEAR(static_cast<double>(below_mean) / count, 1 - std::exp(-1), 0.003);
}

} // namespace
} // namespace loadgen
