// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_ORIGIN_STATS_H
#define BMC_LIB_ORIGIN_STATS_H

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bmc/lib/ask_version.h"
#include "bmc/lib/result.h"
#include "bmc/lib/stats.h"

namespace bmc
{

/// Gets by their outcome, in keys, by the names that memcached gives them.
struct GetCounts {
    uint64_t cmd_get = 0;
    uint64_t get_hits = 0;
    uint64_t get_misses = 0;

    /// Share of hits; none if there were no gets.
    std::optional<double> hit_ratio() const;
};

GetCounts operator+(const GetCounts &a, const GetCounts &b);

/// The gets that the kernel answered, which memcached does not know of.
GetCounts kernel_gets(const Stats &stats);

/// What memcached says of itself.
struct OriginStats {
    std::string server;  ///< that was asked: "10.0.0.1:11211"
    uint64_t pid = 0;    ///< in its own pid namespace
    uint64_t uptime = 0; ///< seconds since its start, from when on it counts
    GetCounts gets;
};

/// Asks the memcached with this pid for its statistics, over TCP, at the first of the
/// endpoints where it answers; the limit is for each of them.
Result<OriginStats> ask_origin(const std::vector<Endpoint> &endpoints, uint32_t pid,
                               std::chrono::milliseconds limit);

} // namespace bmc

#endif
