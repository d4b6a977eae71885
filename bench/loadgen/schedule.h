// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_SCHEDULE_H
#define BENCH_LOADGEN_SCHEDULE_H

#include "bench/loadgen/random.h"

#include <cstdint>

namespace loadgen
{

enum class Arrivals { fixed, poisson };

/// The intended send times of an open loop, decided without regard to the
/// replies: a slow server cannot slow its own load down, and latency is counted
/// from the intended time (no coordinated omission).
class Schedule
{
  public:
    /// rate in requests per second, > 0. phase (0 to 1) moves a fixed schedule
    /// by that part of an interval, so that threads do not send in step.
    Schedule(double rate, Arrivals arrivals, double phase, uint64_t seed);

    /// Intended time of the next request, in ns after the start.
    int64_t due() const { return due_; }
    /// Goes on to the request after that.
    void advance();

  private:
    double interval_ns_;
    Arrivals arrivals_;
    double phase_;
    Random random_;
    uint64_t count_ = 0; // requests before the next one
    double time_ns_ = 0; // of the next one, Poisson only
    int64_t due_ = 0;
};

} // namespace loadgen

#endif
