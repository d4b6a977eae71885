// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/statistics.h"

#include <gtest/gtest.h>
#include <numeric>

namespace runner
{
namespace
{

std::vector<double> up_to(int n)
{
    std::vector<double> numbers(static_cast<size_t>(n));

    std::iota(numbers.begin(), numbers.end(), 1);
    return numbers;
}

TEST(Statistics, MedianAndQuartilesAreInterpolated)
{
    const Spread spread = spread_of({4, 1, 3, 2});
    EXPECT_EQ(spread.median, 2.5);
    EXPECT_EQ(spread.q1, 1.75);
    EXPECT_EQ(spread.q3, 3.25);
    EXPECT_EQ(spread.min, 1);
    EXPECT_EQ(spread.max, 4);
    EXPECT_EQ(spread.rounds, 4U);
    EXPECT_EQ(median_of({7}), 7);
}

// The ranks are those of tables of the sign test: W. J. Conover, Practical
// Nonparametric Statistics, binomial with p = 0.5.
TEST(Statistics, IntervalIsThatOfTheSignTest)
{
    for (int n = 1; n < 6; n++)
        EXPECT_FALSE(spread_of(up_to(n)).interval) << n;
    struct Case {
        int n;
        double low;
    };
    for (const auto [n, low] :
         {Case{6, 1}, Case{8, 1}, Case{9, 2}, Case{10, 2}, Case{12, 3}, Case{20, 6}, Case{25, 8}}) {
        const auto interval = spread_of(up_to(n)).interval;
        ASSERT_TRUE(interval) << n;
        EXPECT_EQ(interval->low, low) << n;
        EXPECT_EQ(interval->high, n + 1 - low) << n;
    }
}

TEST(Statistics, ARatioOfAWideIntervalIsRefused)
{
    EXPECT_TRUE(why_meaningless(spread_of({1, 1, 1, 1, 1})));
    EXPECT_FALSE(why_meaningless(spread_of({1, 1, 1, 1, 1, 1})));
    EXPECT_FALSE(why_meaningless(spread_of({0.76, 1, 1, 1, 1, 1.25})));
    EXPECT_TRUE(why_meaningless(spread_of({0.74, 1, 1, 1, 1, 1.25})));
    EXPECT_FALSE(why_meaningless(spread_of({76, 100, 100, 100, 100, 125})));
    EXPECT_TRUE(why_meaningless(spread_of({0, 0, 0, 0, 0, 1})));
}

TEST(Statistics, ATargetIsJudgedByTheWholeInterval)
{
    const Spread spread = spread_of({0.95, 1, 1, 1, 1, 1.05});
    EXPECT_EQ(judge(spread, {0.94, true}), Verdict::reached);
    EXPECT_EQ(judge(spread, {0.95, true}), Verdict::reached);
    EXPECT_EQ(judge(spread, {1, true}), Verdict::undecided);
    EXPECT_EQ(judge(spread, {1.06, true}), Verdict::missed);
    EXPECT_EQ(judge(spread, {1.06, false}), Verdict::reached);
    EXPECT_EQ(judge(spread, {1, false}), Verdict::undecided);
    EXPECT_EQ(judge(spread, {0.94, false}), Verdict::missed);
    EXPECT_EQ(judge(spread_of({1, 1}), {0.5, true}), Verdict::undecided);
}

TEST(Statistics, AShiftMovesEverything)
{
    const Spread spread = shifted(spread_of({1, 2, 3, 4, 5, 6}), -1);
    EXPECT_EQ(spread.median, 2.5);
    EXPECT_EQ(spread.min, 0);
    EXPECT_EQ(spread.max, 5);
    EXPECT_EQ(spread.q1, 1.25);
    EXPECT_EQ(spread.q3, 3.75);
    EXPECT_EQ(spread.interval->low, 0);
    EXPECT_EQ(spread.interval->high, 5);
}

} // namespace
} // namespace runner
