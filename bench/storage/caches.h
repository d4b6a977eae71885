// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_STORAGE_CACHES_H
#define BENCH_STORAGE_CACHES_H

#include "bench/storage/key_set.h"
#include "bmc/abi/bucket.h"
#include "bmc/bpf/cache.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace storage
{

/// A cache that a trace drives: get() says whether the key was there, and puts it there
/// if not. Keys are those of a KeySet that must outlive the cache.
///
/// This one is bmc's own, bmc/bpf/cache.h in a build for the host: every get copies a
/// reply, every fill installs one.
class BucketCache
{
  public:
    BucketCache(const KeySet &keys, uint32_t bucket_count);

    bool get(uint32_t key);

    uint64_t entries() const;
    /// Blocks that entries have.
    uint64_t used_blocks() const;
    /// Entries that fills removed so far.
    uint64_t evicted() const { return evicted_; }

  private:
    const KeySet &keys_;
    std::vector<bmc_bucket> buckets_;
    std::unique_ptr<bmc_text> request_ = std::make_unique<bmc_text>();
    std::unique_ptr<bmc_text> text_ = std::make_unique<bmc_text>();
    std::unique_ptr<bmc_reply> reply_ = std::make_unique<bmc_reply>();
    uint64_t evicted_ = 0;
};

/// Exact LRU over one memory: entries take as many blocks as in a BucketCache, and may
/// have all blocks of as many buckets, however they lie.
class LruCache
{
  public:
    LruCache(const KeySet &keys, uint32_t bucket_count);

    bool get(uint32_t key);

  private:
    struct Links {
        uint32_t newer;
        uint32_t older;
    };

    void unlink(uint32_t key);
    void link_newest(uint32_t key);

    const KeySet &keys_;
    const uint32_t end_; // a link to no key, and the place of the list's ends
    std::vector<Links> links_;
    std::vector<bool> there_;
    uint64_t free_blocks_;
};

/// Direct mapped: slots of one size, one for each hash, and the last key wins.
class DirectMappedCache
{
  public:
    /// As many slots of slot_size bytes as `bytes` has room for.
    DirectMappedCache(const KeySet &keys, uint64_t bytes, uint32_t slot_size);

    /// Slot size of the original BMC, whatever the entry: keys of 250 and values of 1000
    /// bytes are the longest it takes.
    static constexpr uint32_t original_slot_size = 1320;
    /// Size of a slot's head (lock, length, hash, valid), as the original's.
    static constexpr uint32_t slot_head = 16;
    /// The slot that the longest text among the keys needs.
    static uint32_t fitting_slot_size(const KeySet &keys);

    bool get(uint32_t key);

  private:
    const KeySet &keys_;
    uint32_t max_length_;
    std::vector<uint32_t> slots_; // key + 1; 0: empty
};

} // namespace storage

#endif
