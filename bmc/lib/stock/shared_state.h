// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_SHARED_STATE_H
#define BMC_LIB_STOCK_SHARED_STATE_H

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "bmc/abi/layout.h"
#include "bmc/lib/mapped_array.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Seconds of CLOCK_MONOTONIC, which the kernel programs count in.
uint32_t monotonic_seconds();

/// What bmc and the kernel programs write together where the origin is a stock memcached:
/// parts of the map `control`, and the map `slots`. Everything is written atomically.
class SharedState
{
  public:
    /// Opens the maps of an instance that is for one.
    static Result<SharedState> open(const std::string &folder);

    const bmc_control &control() const { return *control_.values<bmc_control>(); }

    /// How often something came that cannot be followed.
    uint64_t untracked() const;
    /// Whether all of that is known to be over, so that the kernel may answer.
    bool is_covered() const;

    /// Everything cached is void, and nothing is installed for the guard time.
    void advance_generation(std::chrono::milliseconds guard);
    /// At this value of untracked() nothing is left that is not followed. What was
    /// cached meanwhile is made void.
    void cover(uint64_t untracked, std::chrono::milliseconds guard);
    /// No hit from now on, whatever the kernel programs see.
    void stop_serving();

    /// Whether values may be installed.
    void set_fills(bool allowed);
    /// memcached's time of day when CLOCK_MONOTONIC was zero, in seconds.
    void set_wall_offset(int64_t seconds);
    /// For reports only; 0: none.
    void set_origin_pid(uint32_t pid);

    /// Notes when an item expires, and when a flush of all items comes: times of day as
    /// memcached counts them, in seconds.
    void add_expiry(std::string_view key, int64_t time);
    void add_flush(int64_t time);

  private:
    bmc_control &writable() { return *control_.writable<bmc_control>(); }
    void add(bmc_expiries &expiries, int64_t time);

    MappedArray control_;
    MappedArray slots_;
};

} // namespace bmc

#endif
