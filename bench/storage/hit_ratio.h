// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_STORAGE_HIT_RATIO_H
#define BENCH_STORAGE_HIT_RATIO_H

#include "bench/storage/key_set.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace storage
{

/// What is compared, in the order of HitRatios::ratio.
enum Cache { buckets, lru, direct_mapped, fitting_direct_mapped, cache_count };

/// Names of the caches in a report.
inline constexpr std::array<const char *, cache_count> cache_names = {"bmc", "lru", "direct_mapped",
                                                                      "direct_mapped_fitting"};

/// Share of hits in the second half of a trace; the first half warms up.
struct HitRatios {
    uint32_t bucket_count = 0;
    std::array<double, cache_count> ratio{};
    uint64_t gets = 0; ///< measured, of each cache
    // of bmc, at the end
    uint64_t entries = 0;
    double used_blocks = 0; ///< share of the blocks for entries

    /// By how much the exact LRU is better, as a share of the gets.
    double behind_lru() const { return ratio[lru] - ratio[buckets]; }
    /// By how much bmc is better than the better of the direct-mapped caches.
    double ahead_of_direct_mapped() const;
};

/// All caches with the memory of so many buckets, on one trace.
HitRatios measure_hit_ratios(const KeySet &keys, const std::vector<uint32_t> &trace,
                             uint32_t bucket_count);

nlohmann::ordered_json to_json(const HitRatios &ratios);

} // namespace storage

#endif
