// SPDX-License-Identifier: BSD-3-Clause
#include "bench/storage/caches.h"

#include "tests/harness/error.h"

#include <algorithm>
#include <bit>

namespace storage
{

using bmc::test::Error;

BucketCache::BucketCache(const KeySet &keys, uint32_t bucket_count)
    : keys_(keys), buckets_(bucket_count)
{
}

bool BucketCache::get(uint32_t key)
{
    const uint64_t hash = keys_.hash(key);
    bmc_bucket &bucket = buckets_[bmc_bucket_index(hash, static_cast<uint32_t>(buckets_.size()))];
    bmc_entry head{};

    keys_.write_key(key, request_->byte);
    switch (bmc_cache_copy(&bucket, hash, request_.get(), 0, keys_.key_size(), reply_.get(),
                           BMC_REPLY_HEADERS, &head)) {
    case BMC_CACHE_HIT:
        if (head.length != keys_.length(key))
            throw Error("the cache gave another key's value");
        return true;
    case BMC_CACHE_MISS:
        break;
    case BMC_CACHE_BUSY:
        throw Error("the cache is busy, though nobody else uses it");
    }

    if (keys_.blocks(key) == 0)
        return false;
    keys_.write_text(key, *text_);
    head = {.version = BMC_CLOCK_TICK,
            .generation = 2,
            .deadline_ns = BMC_NO_DEADLINE,
            .length = static_cast<__u16>(keys_.length(key)),
            .sum = bmc_sum_fold(bmc_text_sum(text_.get(), 0, keys_.length(key))),
            .key_length = static_cast<__u8>(keys_.key_size()),
            .filled = {}};
    __u32 evicted = 0;
    if (bmc_cache_fill(&bucket, hash, &head, text_.get(), 0, &evicted) == BMC_FILL_BUSY)
        throw Error("the cache found no room");
    evicted_ += evicted;
    return false;
}

uint64_t BucketCache::entries() const
{
    uint64_t sum = 0;

    for (const bmc_bucket &bucket : buckets_)
        sum += bucket.entries;
    return sum;
}

uint64_t BucketCache::used_blocks() const
{
    uint64_t sum = 0;

    for (const bmc_bucket &bucket : buckets_)
        for (const uint64_t word : bucket.used)
            sum += static_cast<uint64_t>(std::popcount(word));
    return sum;
}

LruCache::LruCache(const KeySet &keys, uint32_t bucket_count)
    : keys_(keys), end_(keys.size()), links_(keys.size() + size_t{1}, Links{end_, end_}),
      there_(keys.size()),
      free_blocks_(uint64_t{bucket_count} * (BMC_BUCKET_BLOCKS - BMC_HEADER_BLOCKS))
{
}

void LruCache::unlink(uint32_t key)
{
    const Links links = links_[key];

    links_[links.newer].older = links.older;
    links_[links.older].newer = links.newer;
}

void LruCache::link_newest(uint32_t key)
{
    const uint32_t second = links_[end_].older;

    links_[key] = {end_, second};
    links_[second].newer = key;
    links_[end_].older = key;
}

bool LruCache::get(uint32_t key)
{
    if (there_[key]) {
        unlink(key);
        link_newest(key);
        return true;
    }
    const uint32_t blocks = keys_.blocks(key);
    if (blocks == 0)
        return false;
    while (free_blocks_ < blocks) {
        const uint32_t oldest = links_[end_].newer;
        if (oldest == end_)
            return false; // larger than all of the memory
        unlink(oldest);
        there_[oldest] = false;
        free_blocks_ += keys_.blocks(oldest);
    }
    free_blocks_ -= blocks;
    there_[key] = true;
    link_newest(key);
    return false;
}

DirectMappedCache::DirectMappedCache(const KeySet &keys, uint64_t bytes, uint32_t slot_size)
    : keys_(keys), max_length_(slot_size - slot_head),
      slots_(std::max<uint64_t>(1, bytes / slot_size))
{
}

uint32_t DirectMappedCache::fitting_slot_size(const KeySet &keys)
{
    constexpr uint32_t alignment = 8;
    const uint32_t length = std::min<uint32_t>(keys.max_length(), BMC_REPLY_TEXT_MAX);

    return (slot_head + length + alignment - 1) / alignment * alignment;
}

bool DirectMappedCache::get(uint32_t key)
{
    uint32_t &slot =
        slots_[bmc_bucket_index(keys_.hash(key), static_cast<uint32_t>(slots_.size()))];

    if (slot == key + 1)
        return true;
    if (keys_.length(key) <= max_length_)
        slot = key + 1;
    return false;
}

} // namespace storage
