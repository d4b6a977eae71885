// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_RUNNER_STATISTICS_H
#define BENCH_RUNNER_STATISTICS_H

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace runner
{

/// A range of numbers, both ends included.
struct Interval {
    double low;
    double high;
};

/// How the rounds of a run differ.
struct Spread {
    double median = 0;
    double q1 = 0;
    double q3 = 0;
    double min = 0;
    double max = 0;
    size_t rounds = 0;
    /// The 95 % confidence interval of the median; nothing with fewer than six
    /// rounds, which cannot have one.
    std::optional<Interval> interval;
};

/// Of one number for each round, at least one. Quartiles are interpolated linearly. The
/// interval is that of order statistics (the sign test), which assumes nothing of the
/// distribution: from the k-th smallest number to the k-th largest, k being the largest
/// with which at most 2.5 % of fair coins' series fall below it on either side.
Spread spread_of(std::vector<double> numbers);

/// The median alone, of at least one number.
double median_of(std::vector<double> numbers);

/// A ratio is not shown if its interval is wider than this part of its median: one rule
/// for all of them.
inline constexpr double widest_interval = 0.5;

/// Why a ratio with this spread says nothing; nothing if it says something.
std::optional<std::string> why_meaningless(const Spread &spread);

/// What a ratio is to reach.
struct Target {
    double number;
    bool at_least; ///< or at most
};

enum class Verdict { reached, missed, undecided };

/// Decided by the whole interval: undecided if the target lies within, or there is none.
Verdict judge(const Spread &spread, const Target &target);

/// The spread of the same numbers, each increased by this one.
Spread shifted(const Spread &spread, double by);

} // namespace runner

#endif
