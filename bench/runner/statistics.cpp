// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/statistics.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace runner
{

namespace
{

/// Interpolated between the neighbours of place q (0 to 1) of sorted numbers.
double quantile(const std::vector<double> &sorted, double q)
{
    const double place = q * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, sorted.size() - 1);

    return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// How many of n fair coins may show heads so that so few or fewer have a probability of
/// at most 2.5 %, plus one: the rank k of the interval's ends; 0 if there is none.
size_t rank_of_end(size_t n)
{
    constexpr double tail = 0.025;
    double choose = std::pow(0.5, static_cast<double>(n)); // of exactly k heads
    double below = choose;
    size_t k = 0;

    while (below <= tail) {
        k++;
        choose *= static_cast<double>(n - k + 1) / static_cast<double>(k);
        below += choose;
    }
    return k;
}

} // namespace

Spread spread_of(std::vector<double> numbers)
{
    Spread spread;

    std::sort(numbers.begin(), numbers.end());
    spread.median = quantile(numbers, 0.5);
    spread.q1 = quantile(numbers, 0.25);
    spread.q3 = quantile(numbers, 0.75);
    spread.min = numbers.front();
    spread.max = numbers.back();
    spread.rounds = numbers.size();
    if (const size_t k = rank_of_end(numbers.size()); k > 0)
        spread.interval = Interval{numbers[k - 1], numbers[numbers.size() - k]};
    return spread;
}

double median_of(std::vector<double> numbers)
{
    return spread_of(std::move(numbers)).median;
}

std::optional<std::string> why_meaningless(const Spread &spread)
{
    if (!spread.interval)
        return fmt::format("{} rounds have no 95 % interval: it takes 6", spread.rounds);
    const double width = spread.interval->high - spread.interval->low;
    if (!(width <= widest_interval * std::abs(spread.median)))
        return fmt::format("the 95 % interval, {:.3f} to {:.3f}, is wider than {:.0f} % of the "
                           "median: take a quieter machine or more rounds",
                           spread.interval->low, spread.interval->high, 100 * widest_interval);
    return std::nullopt;
}

Verdict judge(const Spread &spread, const Target &target)
{
    if (!spread.interval)
        return Verdict::undecided;
    const double worst = target.at_least ? spread.interval->low : spread.interval->high;
    const double best = target.at_least ? spread.interval->high : spread.interval->low;
    const auto reaches = [&target](double number) {
        return target.at_least ? number >= target.number : number <= target.number;
    };

    if (reaches(worst))
        return Verdict::reached;
    return reaches(best) ? Verdict::undecided : Verdict::missed;
}

Spread shifted(const Spread &spread, double by)
{
    Spread moved = spread;

    for (double *number : {&moved.median, &moved.q1, &moved.q3, &moved.min, &moved.max})
        *number += by;
    if (moved.interval)
        moved.interval = Interval{moved.interval->low + by, moved.interval->high + by};
    return moved;
}

} // namespace runner
