// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_TOP_H
#define BMC_LIB_TOP_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bmc/lib/cache_reader.h"
#include "bmc/lib/samples.h"
#include "bmc/lib/stats.h"

/* What `bmc top` shows, apart from where it draws it. */
namespace bmc
{

/// An instance at one moment.
struct Snapshot {
    uint64_t time_ns = 0; ///< CLOCK_MONOTONIC
    Stats stats;
    Samples samples;
};

/// Entries whose texts have at most so many bytes, and more than those of the class before.
struct SizeClass {
    uint32_t up_to = 0;
    uint64_t entries = 0;
    uint64_t bytes = 0; ///< of memory that they take
};

/// What the entries take, by the size of their texts.
struct MemoryUse {
    std::vector<SizeClass> classes;
    bool estimated = false; ///< from a part of the buckets
};

/// Looks at `most` buckets of a cache, evenly spread, or at all if it has no more; other
/// ones for another `round`.
MemoryUse scan_memory(const CacheReader &reader, uint32_t most, uint32_t round);

/// Something that happens so often a second.
struct Rate {
    std::string name;
    double per_second = 0;
};

/// A key, and its share of the sampled hits.
struct HotKey {
    std::string key; ///< escape_key()
    double share = 0;
};

/// What two snapshots tell together.
struct TopView {
    std::string instance;
    std::vector<ServedInterface> interfaces;
    bool origin_alive = false;
    double seconds = 0;                    ///< between them
    std::optional<double> hit_ratio;       ///< of the gets in between; none without any
    std::optional<double> total_hit_ratio; ///< since attach
    std::vector<Rate> rates;
    std::vector<Rate> misses; ///< by reason
    Latency latency;          ///< of sampled misses in between
    Latency total_latency;    ///< since attach
    std::vector<HotKey> hottest;
    uint64_t sampled_hits = 0; ///< that the shares are of
    MemoryUse memory;
};

/// The snapshots are of the same attached instance, `before` the earlier. At most `keys` of
/// the hottest keys.
TopView compare(const Snapshot &before, const Snapshot &now, MemoryUse memory, size_t keys);

/// A line of text, in printable ASCII.
struct TopLine {
    std::string text;
    bool title = false;
};

/// The view in lines of at most `width` characters: side by side where there is room.
std::vector<TopLine> layout(const TopView &view, size_t width);

} // namespace bmc

#endif
