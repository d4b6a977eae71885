// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/key_choice.h"

#include <algorithm>
#include <cmath>

namespace loadgen
{

// Below, ranks count from 1, as in the paper: h(x) = x^-theta is the hat, H its
// integral, with H(x) = (x^(1-theta) - 1) / (1 - theta), and log x for theta 1.
// Written with expm1 and log1p, so that theta near 1 loses no digits.

namespace
{

constexpr double series_limit = 1e-8; // where the first terms of a series are exact

// log(1 + x) / x
double log1p_ratio(double x)
{
    return std::abs(x) > series_limit ? std::log1p(x) / x : 1 - x / 2;
}

// (exp(x) - 1) / x
double expm1_ratio(double x)
{
    return std::abs(x) > series_limit ? std::expm1(x) / x : 1 + x / 2;
}

} // namespace

double Zipf::integral(double x) const
{
    const double log_x = std::log(x);
    return expm1_ratio((1 - theta_) * log_x) * log_x;
}

double Zipf::integral_inverse(double y) const
{
    // Rounding may push the argument below the domain of log1p.
    const double t = std::max(-1.0, y * (1 - theta_));
    return std::exp(log1p_ratio(t) * y);
}

Zipf::Zipf(uint64_t n, double theta) : n_(n), theta_(theta)
{
    highest_ = integral(static_cast<double>(n_) + 0.5);
    lowest_ = integral(1.5) - 1;
    accept_ = 2 - integral_inverse(integral(2.5) - std::pow(2, -theta_));
}

uint64_t Zipf::operator()(Random &random) const
{
    for (;;) {
        const double u = highest_ + random.uniform() * (lowest_ - highest_);
        const double x = integral_inverse(u);
        const double k = std::clamp(std::floor(x + 0.5), 1.0, static_cast<double>(n_));
        if (k - x <= accept_ || u >= integral(k + 0.5) - std::pow(k, -theta_))
            return static_cast<uint64_t>(k) - 1;
    }
}

} // namespace loadgen
