// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_KEY_CHOICE_H
#define BENCH_LOADGEN_KEY_CHOICE_H

#include "bench/loadgen/random.h"

#include <cstdint>

namespace loadgen
{

/// Zipf's distribution over the ranks 0 .. n-1: rank r has a probability
/// proportional to 1 / (r+1)^theta. Exact, constant time, no tables: the
/// rejection-inversion method of W. Hoermann and G. Derflinger,
/// "Rejection-inversion to generate variates from monotone discrete
/// distributions", ACM TOMACS 6(3), 1996.
class Zipf
{
  public:
    /// n >= 1, theta >= 0 (0 is uniform).
    Zipf(uint64_t n, double theta);

    uint64_t operator()(Random &random) const;

  private:
    double integral(double x) const;
    double integral_inverse(double y) const;

    uint64_t n_;
    double theta_;
    double highest_; // integral of the hat up to n + 1/2
    double lowest_;  // the same up to 3/2, less the weight of the first rank
    double accept_;  // distance below which no comparison is needed
};

/// Which key the next request is for, among key_count keys.
class KeyChoice
{
  public:
    static KeyChoice uniform(uint64_t key_count) { return {key_count, 0, 0, 0}; }
    static KeyChoice zipf(uint64_t key_count, double theta) { return {key_count, theta, 0, 0}; }
    /// The first hot_count keys (at least one, fewer than key_count) take the share
    /// hot_share (0 to 1) of the requests, the others the rest; uniform within each.
    static KeyChoice hot_set(uint64_t key_count, uint64_t hot_count, double hot_share)
    {
        return {key_count, 0, hot_count, hot_share};
    }

    uint64_t operator()(Random &random) const
    {
        if (hot_count_ > 0)
            return random.uniform() < hot_share_
                       ? random.below(hot_count_)
                       : hot_count_ + random.below(key_count_ - hot_count_);
        return uniform_ ? random.below(key_count_) : zipf_(random);
    }

  private:
    KeyChoice(uint64_t key_count, double theta, uint64_t hot_count, double hot_share)
        : key_count_(key_count), hot_count_(hot_count), hot_share_(hot_share), uniform_(theta == 0),
          zipf_(key_count, theta)
    {
    }

    uint64_t key_count_;
    uint64_t hot_count_; // 0: no hot set
    double hot_share_;
    bool uniform_;
    Zipf zipf_;
};

} // namespace loadgen

#endif
