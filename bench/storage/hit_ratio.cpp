// SPDX-License-Identifier: BSD-3-Clause
#include "bench/storage/hit_ratio.h"

#include "bench/storage/caches.h"

#include <algorithm>

namespace storage
{

namespace
{

template <class AnyCache>
double hit_ratio(AnyCache &cache, const std::vector<uint32_t> &trace)
{
    const size_t measured = trace.size() / 2;
    uint64_t hits = 0;

    for (size_t i = 0; i < measured; i++)
        cache.get(trace[i]);
    for (size_t i = measured; i < trace.size(); i++)
        hits += cache.get(trace[i]) ? 1 : 0;
    return static_cast<double>(hits) / static_cast<double>(trace.size() - measured);
}

} // namespace

double HitRatios::ahead_of_direct_mapped() const
{
    return ratio[buckets] - std::max(ratio[direct_mapped], ratio[fitting_direct_mapped]);
}

HitRatios measure_hit_ratios(const KeySet &keys, const std::vector<uint32_t> &trace,
                             uint32_t bucket_count)
{
    const uint64_t bytes = uint64_t{bucket_count} * sizeof(bmc_bucket);
    HitRatios result;

    result.bucket_count = bucket_count;
    result.gets = trace.size() - trace.size() / 2;
    {
        BucketCache cache(keys, bucket_count);
        constexpr uint64_t blocks = BMC_BUCKET_BLOCKS - BMC_HEADER_BLOCKS;

        result.ratio[buckets] = hit_ratio(cache, trace);
        result.entries = cache.entries();
        result.used_blocks =
            static_cast<double>(cache.used_blocks()) / static_cast<double>(blocks * bucket_count);
    }
    LruCache exact(keys, bucket_count);
    result.ratio[lru] = hit_ratio(exact, trace);
    DirectMappedCache original(keys, bytes, DirectMappedCache::original_slot_size);
    result.ratio[direct_mapped] = hit_ratio(original, trace);
    DirectMappedCache fitting(keys, bytes, DirectMappedCache::fitting_slot_size(keys));
    result.ratio[fitting_direct_mapped] = hit_ratio(fitting, trace);
    return result;
}

nlohmann::ordered_json to_json(const HitRatios &ratios)
{
    nlohmann::ordered_json hits;

    for (size_t i = 0; i < cache_count; i++)
        hits[cache_names[i]] = ratios.ratio[i];
    return {{"buckets", ratios.bucket_count},
            {"bytes", uint64_t{ratios.bucket_count} * sizeof(bmc_bucket)},
            {"gets", ratios.gets},
            {"hit_ratio", std::move(hits)},
            {"behind_lru", ratios.behind_lru()},
            {"ahead_of_direct_mapped", ratios.ahead_of_direct_mapped()},
            {"entries", ratios.entries},
            {"used_blocks", ratios.used_blocks}};
}

} // namespace storage
