// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/histogram.h"
#include "bench/loadgen/random.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <vector>

namespace loadgen
{
namespace
{

TEST(Histogram, EmptyIsAllZero)
{
    const Histogram histogram;
    EXPECT_EQ(histogram.count(), 0U);
    EXPECT_EQ(histogram.quantile(0.5), 0);
    EXPECT_EQ(histogram.max(), 0);
    EXPECT_EQ(histogram.mean(), 0);
}

TEST(Histogram, SmallValuesAreExact)
{
    Histogram histogram;
    for (int ns = 0; ns < 256; ns++)
        histogram.record(ns);
    EXPECT_EQ(histogram.quantile(0), 0);
    EXPECT_EQ(histogram.quantile(0.5), 127);
    EXPECT_EQ(histogram.quantile(1), 255);
    EXPECT_DOUBLE_EQ(histogram.mean(), 127.5);
}

// Every power of two and its neighbours lands in a bucket that reaches at most
// 1/128 above it, and no bucket ends below what it holds.
TEST(Histogram, OneValueIsReportedWithinItsBucket)
{
    for (int bit = 0; bit < 42; bit++) {
        for (const int64_t delta : {-1, 0, 1}) {
            const int64_t ns = std::max<int64_t>(0, (int64_t{1} << bit) + delta);
            if (ns >= int64_t{1} << 42)
                continue;
            Histogram histogram;
            histogram.record(ns);
            histogram.record(int64_t{1} << 43); // so that max() does not cap the result
            EXPECT_GE(histogram.quantile(0.5), ns);
            EXPECT_LE(histogram.quantile(0.5), ns + ns / 128) << ns;
        }
    }
}

TEST(Histogram, QuantilesMatchSortedValues)
{
    Random random(1);
    Histogram histogram;
    std::vector<int64_t> values;
    for (int i = 0; i < 20000; i++) {
        // Log-uniform from 1 ns to about 10 s.
        const auto ns = static_cast<int64_t>(std::exp(random.uniform() * 23));
        values.push_back(ns);
        histogram.record(ns);
    }
    std::sort(values.begin(), values.end());
    for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        const auto rank = static_cast<size_t>(std::ceil(q * 20000)) - 1;
        EXPECT_GE(histogram.quantile(q), values[rank]) << q;
        EXPECT_LE(histogram.quantile(q), values[rank] + values[rank] / 128) << q;
    }
}

TEST(Histogram, HugeAndNegativeValuesAreKeptInRange)
{
    Histogram histogram;
    histogram.record(-5);
    EXPECT_EQ(histogram.quantile(1), 0);
    histogram.record(INT64_MAX);
    EXPECT_EQ(histogram.count(), 2U);
    EXPECT_EQ(histogram.max(), INT64_MAX);
    EXPECT_EQ(histogram.quantile(1), (int64_t{1} << 42) - 1);
}

TEST(Histogram, MergeIsTheSameAsRecordingAll)
{
    Histogram all;
    Histogram one;
    Histogram two;
    for (int i = 0; i < 1000; i++) {
        all.record(i * 997);
        (i % 3 == 0 ? one : two).record(i * 997);
    }
    one.merge(two);
    EXPECT_EQ(one.count(), all.count());
    EXPECT_EQ(one.max(), all.max());
    EXPECT_DOUBLE_EQ(one.mean(), all.mean());
    for (const double q : {0.1, 0.5, 0.9, 0.99})
        EXPECT_EQ(one.quantile(q), all.quantile(q));
}

} // namespace
} // namespace loadgen
