// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace loadgen
{

Histogram::Histogram() : buckets_(index_of((1ULL << value_bits) - 1) + 1) {}

// A value of b bits, b > step_bits, keeps its upper step_bits + 1 bits, the
// first of which is always 1: 2^step_bits buckets for each b.
size_t Histogram::index_of(uint64_t ns)
{
    ns = std::min<uint64_t>(ns, (1ULL << value_bits) - 1);
    const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - (step_bits + 1));
    return (static_cast<size_t>(shift) << step_bits) + (ns >> shift);
}

uint64_t Histogram::highest_of(size_t index)
{
    if (index < (2U << step_bits))
        return index;
    const size_t shift = (index >> step_bits) - 1;
    const uint64_t upper = index - (shift << step_bits);
    return ((upper + 1) << shift) - 1;
}

void Histogram::record(int64_t ns)
{
    ns = std::max<int64_t>(ns, 0);
    buckets_[index_of(static_cast<uint64_t>(ns))]++;
    count_++;
    sum_ += static_cast<double>(ns);
    max_ = std::max(max_, ns);
}

void Histogram::merge(const Histogram &other)
{
    for (size_t i = 0; i < buckets_.size(); i++)
        buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
}

double Histogram::mean() const
{
    return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

int64_t Histogram::quantile(double q) const
{
    const double share = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_);
    const auto wanted = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(share)));
    uint64_t seen = 0;

    for (size_t i = 0; i < buckets_.size(); i++) {
        seen += buckets_[i];
        if (seen >= wanted)
            return std::min(static_cast<int64_t>(highest_of(i)), max_);
    }
    return max_;
}

} // namespace loadgen
