// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STATS_H
#define BMC_LIB_STATS_H

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bmc/abi/counters.h"
#include "bmc/abi/layout.h"
#include "bmc/lib/fd.h"
#include "bmc/lib/mode.h"
#include "bmc/lib/result.h"
#include "bmc/lib/tc.h"

namespace bmc
{

/// A counter of abi/counters.h.
struct CounterInfo {
    std::string_view name;
    std::string_view help;
};

/// All counters; the index is the value of enum bmc_counter.
extern const std::array<CounterInfo, BMC_COUNTER_COUNT> counter_infos;

/// An interface of an instance.
struct ServedInterface {
    std::string name; ///< that it had at attach
    Mode mode = Mode::native;
    TcKind tc = TcKind::none;
};

/// State and counters of an instance at one moment.
struct Stats {
    std::string instance;
    std::vector<ServedInterface> interfaces;
    bool stock = false;        ///< the origin is a memcached without our patch
    bool origin_alive = false; ///< an origin holds the instance, or a stock memcached is served
    /// Attached addresses with their ports at which it has no UDP socket, so that
    /// the kernel answers nothing there.
    std::vector<std::string> without_origin;
    uint64_t generation = 0;
    uint64_t memory_bytes = 0;                             ///< of clocks, grants and buckets
    std::array<uint64_t, BMC_COUNTER_COUNT> counters = {}; ///< sums over all CPUs since attach

    uint64_t operator[](bmc_counter counter) const { return counters[counter]; }
};

/// Reads the statistics of one instance as often as is wanted. It keeps the maps
/// open: of an instance that was detached it goes on reading what is left.
class StatsReader
{
  public:
    /// Needs the privilege to open the instance's maps.
    static Result<StatsReader> open(const std::string &instance,
                                    const std::string &pin_root = BMC_PIN_ROOT);

    /// Everything but origin_alive of memcached-sr, which is false: who asks often watches
    /// the origin by an OriginWatch, which seldom has to take its lock.
    Result<Stats> read() const;

  private:
    StatsReader() = default;

    std::string folder_;
    Stats fixed_; ///< what does not change
    Fd control_;
    Fd sockets_;
    Fd counters_;
};

/// Reads an instance's statistics. Needs the privilege to open its maps.
Result<Stats> read_stats(const std::string &instance, const std::string &pin_root = BMC_PIN_ROOT);

} // namespace bmc

#endif
