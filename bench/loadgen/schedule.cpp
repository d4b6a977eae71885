// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/schedule.h"

#include <cmath>

namespace loadgen
{

Schedule::Schedule(double rate, Arrivals arrivals, double phase, uint64_t seed)
    : interval_ns_(1e9 / rate), arrivals_(arrivals), phase_(phase), random_(seed)
{
    if (arrivals_ == Arrivals::fixed)
        due_ = static_cast<int64_t>(phase_ * interval_ns_);
    else
        advance();
}

void Schedule::advance()
{
    count_++;
    if (arrivals_ == Arrivals::fixed) {
        // A product, not a sum: the rate stays exact over any time.
        due_ = static_cast<int64_t>((static_cast<double>(count_) + phase_) * interval_ns_);
    } else {
        time_ns_ -= std::log1p(-random_.uniform()) * interval_ns_;
        due_ = static_cast<int64_t>(time_ns_);
    }
}

} // namespace loadgen
