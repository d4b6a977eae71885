// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_HISTOGRAM_H
#define BENCH_LOADGEN_HISTOGRAM_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace loadgen
{

/// Histogram of latencies in nanoseconds with logarithmic buckets: each power
/// of two is divided into 128 equal steps, as in HdrHistogram, so that a
/// quantile is at most 1/128 (0.8 %) above the true value. Values below 256 are
/// exact; values from 2^42 ns (73 minutes) on count as the largest.
class Histogram
{
  public:
    Histogram();

    void record(int64_t ns);
    void merge(const Histogram &other);

    uint64_t count() const { return count_; }
    /// Largest value recorded, exact; 0 if there is none.
    int64_t max() const { return max_; }
    /// Mean of the recorded values, exact; 0 if there is none.
    double mean() const;
    /// Smallest bucket limit such that at least the share q (0 to 1) of all
    /// values lies at or below it, at most max(); 0 if there is none.
    int64_t quantile(double q) const;

  private:
    static constexpr int step_bits = 7;
    static constexpr int value_bits = 42;

    static size_t index_of(uint64_t ns);
    static uint64_t highest_of(size_t index);

    std::vector<uint64_t> buckets_;
    uint64_t count_ = 0;
    double sum_ = 0;
    int64_t max_ = 0;
};

} // namespace loadgen

#endif
