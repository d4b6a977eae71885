// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_STORAGE_SPEED_H
#define BENCH_STORAGE_SPEED_H

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace storage
{

/// What a memory budget holds of keys of 16 and values of 32 bytes, when far more than
/// fit came once each.
struct Capacity {
    uint64_t memory = 0; ///< bytes, split among clocks, grants and buckets as --memory is
    uint32_t bucket_count = 0;
    uint64_t keys = 0;
    uint64_t entries = 0;

    double items_per_gib() const;
};

Capacity measure_capacity(uint64_t memory, uint64_t seed);

/// Nanoseconds of one operation of the storage on this machine, one thread, nobody else
/// at the buckets. The key's hash is known, and for a fill the text and its sum too.
struct Timing {
    std::string name;
    std::string what;
    uint32_t bucket_count = 0;
    uint64_t operations = 0;       ///< of each round
    std::vector<double> rounds_ns; ///< mean of a round, rounds in ascending order

    double median_ns() const { return rounds_ns[rounds_ns.size() / 2]; }
};

/// Lookups that hit and fills that evict, each with buckets that lie in the CPU's cache
/// and with so many that they do not; keys of 16 bytes, values of 32.
std::vector<Timing> measure_times(uint64_t seed);

nlohmann::ordered_json to_json(const Capacity &capacity);
nlohmann::ordered_json to_json(const Timing &timing);

} // namespace storage

#endif
