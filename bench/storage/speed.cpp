// SPDX-License-Identifier: BSD-3-Clause
#include "bench/storage/speed.h"

#include "bench/loadgen/random.h"
#include "bench/storage/caches.h"
#include "bmc/lib/memory.h"
#include "tests/harness/error.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace storage
{

namespace
{

using bmc::test::Error;

constexpr uint32_t key_size = 16;
constexpr double gib = 1U << 30;

KeySet small_keys(uint64_t count, uint64_t seed)
{
    const auto content =
        loadgen::Content::make(count, key_size, *loadgen::SizeDistribution::parse("32"));
    if (!content)
        throw Error(content.error().line());
    return {*content, seed};
}

/// What an operation needs to know, side by side, so that fetching it is no part of what
/// is measured.
struct Operation {
    bmc_bucket *bucket;
    uint64_t hash;
    uint8_t key[key_size];
};

/// Buckets filled with twice as many keys as fit, and operations on them.
class Bench
{
  public:
    Bench(uint32_t bucket_count, uint64_t seed)
        : keys_(small_keys(2 * entries_per_bucket * bucket_count, seed)), buckets_(bucket_count),
          random_(seed)
    {
        keys_.write_text(0, *text_);
        head_ = {.version = BMC_CLOCK_TICK,
                 .generation = 2,
                 .deadline_ns = BMC_NO_DEADLINE,
                 .length = static_cast<__u16>(keys_.length(0)),
                 .sum = 0,
                 .key_length = key_size,
                 .filled = {}};
        for (uint32_t key = 0; key < keys_.size(); key++)
            fill(operation(key));
    }

    /// Mean of lookups in random order, all of which find their key.
    double lookups(uint64_t count)
    {
        std::vector<Operation> operations;
        bmc_entry head{};

        while (operations.size() < count) {
            const Operation o = operation(static_cast<uint32_t>(random_.below(keys_.size())));
            if (lookup(o, head))
                operations.push_back(o);
        }
        uint64_t found = 0;
        const double ns =
            mean_ns(operations, [&](const Operation &o) { found += lookup(o, head); });
        if (found != count)
            throw Error("a key that is in the storage was not found");
        return ns;
    }

    /// Mean of fills in random order, all of keys that are not there, so that another goes.
    double fills(uint64_t count)
    {
        std::vector<Operation> operations;
        bmc_entry head{};

        while (operations.size() < count) {
            const Operation o = operation(static_cast<uint32_t>(random_.below(keys_.size())));
            if (!lookup(o, head))
                operations.push_back(o);
        }
        return mean_ns(operations, [this](const Operation &o) { fill(o); });
    }

  private:
    static constexpr uint64_t entries_per_bucket = 31; // (64 - 2) / 2 blocks

    template <class Work>
    static double mean_ns(const std::vector<Operation> &operations, Work work)
    {
        const auto begin = std::chrono::steady_clock::now();

        for (const Operation &o : operations)
            work(o);
        const std::chrono::duration<double, std::nano> time =
            std::chrono::steady_clock::now() - begin;
        return time.count() / static_cast<double>(operations.size());
    }

    Operation operation(uint32_t key)
    {
        Operation o{};

        o.hash = keys_.hash(key);
        o.bucket = &buckets_[bmc_bucket_index(o.hash, static_cast<uint32_t>(buckets_.size()))];
        keys_.write_key(key, o.key);
        return o;
    }

    bool lookup(const Operation &o, bmc_entry &head)
    {
        std::memcpy(request_->byte, o.key, key_size);
        return bmc_cache_copy(o.bucket, o.hash, request_.get(), 0, key_size, reply_.get(),
                              BMC_REPLY_HEADERS, &head) == BMC_CACHE_HIT;
    }

    void fill(const Operation &o)
    {
        __u32 evicted = 0;

        std::memcpy(text_->byte + sizeof("VALUE ") - 1, o.key, key_size);
        head_.version += BMC_CLOCK_TICK; // never the same entry again
        bmc_cache_fill(o.bucket, o.hash, &head_, text_.get(), 0, &evicted);
    }

    KeySet keys_;
    std::vector<bmc_bucket> buckets_;
    loadgen::Random random_;
    std::unique_ptr<bmc_text> request_ = std::make_unique<bmc_text>();
    std::unique_ptr<bmc_text> text_ = std::make_unique<bmc_text>();
    std::unique_ptr<bmc_reply> reply_ = std::make_unique<bmc_reply>();
    bmc_entry head_{};
};

} // namespace

double Capacity::items_per_gib() const
{
    return static_cast<double>(entries) * gib / static_cast<double>(memory);
}

Capacity measure_capacity(uint64_t memory, uint64_t seed)
{
    constexpr double far_more = 16e6; // keys per GiB: some three times what fits
    Capacity capacity;

    capacity.memory = memory;
    capacity.bucket_count = bmc::split_memory(memory).bucket_count;
    capacity.keys = static_cast<uint64_t>(far_more * static_cast<double>(memory) / gib) + 1;
    const KeySet keys = small_keys(capacity.keys, seed);
    BucketCache cache(keys, capacity.bucket_count);
    for (uint32_t key = 0; key < keys.size(); key++)
        cache.get(key);
    capacity.entries = cache.entries();
    return capacity;
}

std::vector<Timing> measure_times(uint64_t seed)
{
    constexpr uint32_t hot_buckets = 32;     // 128 KiB
    constexpr uint32_t cold_buckets = 32768; // 128 MiB
    constexpr uint64_t hot_operations = 20000;
    constexpr uint64_t cold_operations = 200000;
    constexpr int rounds = 9;
    std::vector<Timing> timings;

    for (const bool hot : {true, false}) {
        Bench bench(hot ? hot_buckets : cold_buckets, seed);
        Timing lookup{.name = hot ? "lookup_hot" : "lookup_cold",
                      .what = "look up, copy and compare, a hit",
                      .bucket_count = hot ? hot_buckets : cold_buckets,
                      .operations = hot ? hot_operations : cold_operations,
                      .rounds_ns = {}};
        Timing fill = lookup;
        fill.name = hot ? "fill_hot" : "fill_cold";
        fill.what = "make room and install, another entry goes";
        for (int i = 0; i < rounds; i++) {
            lookup.rounds_ns.push_back(bench.lookups(lookup.operations));
            fill.rounds_ns.push_back(bench.fills(fill.operations));
        }
        for (Timing *timing : {&lookup, &fill}) {
            std::sort(timing->rounds_ns.begin(), timing->rounds_ns.end());
            timings.push_back(*timing);
        }
    }
    return timings;
}

nlohmann::ordered_json to_json(const Capacity &capacity)
{
    return {{"memory", capacity.memory},
            {"buckets", capacity.bucket_count},
            {"keys", capacity.keys},
            {"entries", capacity.entries},
            {"items_per_gib", capacity.items_per_gib()}};
}

nlohmann::ordered_json to_json(const Timing &timing)
{
    return {{"name", timing.name},
            {"what", timing.what},
            {"buckets", timing.bucket_count},
            {"operations_per_round", timing.operations},
            {"rounds_ns", timing.rounds_ns},
            {"median_ns", timing.median_ns()}};
}

} // namespace storage
