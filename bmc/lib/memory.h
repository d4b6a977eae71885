// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_MEMORY_H
#define BMC_LIB_MEMORY_H

#include <cstdint>
#include <string>

#include "bmc/lib/result.h"
#include "bmc/lib/stock/options.h"

namespace bmc
{

/// Smallest memory budget of an instance, in bytes.
constexpr uint64_t min_memory = uint64_t{1} << 20;

/// How many entries each of the large maps gets.
struct MemorySplit {
    uint32_t clock_count = 0; ///< power of two
    uint32_t grant_count = 0; ///< power of two
    uint32_t bucket_count = 0;
    uint32_t lease_count = 1; ///< power of two; more than one only with a stock memcached

    /// With a stock memcached every clock has a slot.
    uint32_t slot_count() const { return lease_count > 1 ? clock_count : 0; }

    /// Bytes of map values that this comes to.
    uint64_t bytes() const;
};

/// Divides a budget in bytes (at least min_memory) among clocks, grants and
/// buckets, never exceeding it:
///  - clocks get the largest power of two that fits a quarter of the budget, so
///    that keys seldom share one: a write to either invalidates both;
///  - grants, which live from an answer of the origin to its way past TC egress, or
///    from a write to the key's next get, get the largest power of two that fits
///    an eighth, at least 256;
///  - buckets get the rest.
/// With a stock memcached clocks and slots share the quarter, there is one grant, which
/// nobody uses, and leases, which live like grants, get a 32nd.
MemorySplit split_memory(uint64_t budget, OriginKind origin = OriginKind::sr);

/// Bytes that the machine can still give: MemAvailable of the meminfo file
/// less a sixteenth of MemTotal kept for everything else.
Result<uint64_t> available_memory(const std::string &meminfo = "/proc/meminfo");

/// Checks a budget against min_memory.
Status check_min_memory(uint64_t budget);

/// Checks a budget against min_memory and against what the machine can give.
Status check_memory(uint64_t budget, uint64_t available);

} // namespace bmc

#endif
