// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>
#include <utility>

#include "tests/unit/cache_store.h"

namespace bmc::test
{
namespace
{

constexpr unsigned key_count = 2;
constexpr unsigned version_count = 32;
constexpr unsigned fills_per_writer = 400000;

std::string key_of(unsigned n)
{
    return "key" + std::to_string(n);
}

// What is filled at a version: all of them of one length, so that an entry keeps
// its place, and each version with other bytes from end to end.
struct Version {
    std::string text{};
    std::unique_ptr<Text> source{};
    bmc_entry head{};
};

Version make_version(unsigned n, unsigned version)
{
    Version v;

    v.text = text_of_length(key_of(n), 1200, static_cast<char>('A' + version));
    v.source = std::make_unique<Text>(v.text);
    v.head.version = version;
    v.head.generation = version + 1;
    v.head.deadline_ns = version + 2;
    v.head.length = static_cast<__u16>(v.text.size());
    v.head.key_length = static_cast<__u8>(key_of(n).size());
    return v;
}

// Readers without a lock, writers that take turns: whatever a reader gets is one
// entry as it was filled, head and text. Nothing but the copy is in the loops, so
// that most copies meet a write.
TEST(CacheThreads, ReadersNeverSeeATornEntry)
{
    std::vector<std::vector<Version>> versions(key_count);
    for (unsigned n = 0; n < key_count; n++)
        for (unsigned version = 0; version < version_count; version++)
            versions[n].push_back(make_version(n, version));

    const Store store;
    bmc_bucket &bucket = store.bucket();
    std::atomic<bool> is_over = false;
    std::atomic<unsigned> torn = 0, hits = 0, busy_reads = 0, busy_fills = 0;

    const auto write = [&](unsigned seed) {
        std::mt19937 random(seed);
        unsigned busy = 0;

        for (unsigned i = 0; i < fills_per_writer; i++) {
            const unsigned n = random() % key_count;
            const Version &v = versions[n][random() % version_count];
            __u32 evicted = 0;

            if (random() % 64 == 0)
                bmc_cache_drop(&bucket, hash_of_tag(1 + n));
            if (bmc_cache_fill(&bucket, hash_of_tag(1 + n), &v.head, v.source->get(), 0,
                               &evicted) == BMC_FILL_BUSY)
                busy++;
        }
        busy_fills += busy;
    };
    const auto read = [&](unsigned n) {
        const Text request(key_of(n));
        const auto reply = std::make_unique<bmc_reply>();

        while (!is_over) {
            bmc_entry head{};
            const bmc_cache_result result = bmc_cache_copy(
                &bucket, hash_of_tag(1 + n), request.get(), 0, static_cast<__u32>(key_of(n).size()),
                reply.get(), BMC_REPLY_HEADERS, &head);

            busy_reads += result == BMC_CACHE_BUSY ? 1 : 0;
            if (result != BMC_CACHE_HIT)
                continue;
            hits++;
            const Version *const v =
                head.version < version_count ? &versions[n][head.version] : nullptr;
            if (v == nullptr || head.generation != v->head.generation ||
                head.deadline_ns != v->head.deadline_ns || head.length != v->head.length ||
                std::memcmp(reply->byte + BMC_REPLY_HEADERS, v->text.data(), v->text.size()) != 0)
                torn++;
        }
    };
    std::vector<std::thread> readers, writers;

    for (unsigned n = 0; n < key_count; n++)
        readers.emplace_back(read, n);
    for (unsigned i = 0; i < 2; i++)
        writers.emplace_back(write, i);
    for (std::thread &writer : writers)
        writer.join();
    is_over = true;
    for (std::thread &reader : readers)
        reader.join();

    EXPECT_EQ(torn, 0U);
    EXPECT_GT(hits, 0U);
    EXPECT_LT(busy_fills, 2 * fills_per_writer);
    EXPECT_EQ(store.disagreement(), std::nullopt);
    // said for whoever wonders how hard the run was
    RecordProperty("hits", static_cast<int>(hits));
    RecordProperty("busy_reads", static_cast<int>(busy_reads));
}

// The lock alone, taken and given back as fast as can be, until the threads have
// taken it from each other often enough to say that they ran side by side (on one
// CPU they hardly do: then there is an end to it too).
TEST(CacheThreads, OneWriterAtATime)
{
    const Store store;
    bmc_bucket &bucket = store.bucket();
    std::atomic<unsigned> inside = 0, met = 0, taken = 0, handovers = 0;
    std::vector<std::thread> writers;
    constexpr unsigned writer_count = 3;
    std::latch start(writer_count);

    for (unsigned i = 0; i < writer_count; i++)
        writers.emplace_back([&] {
            unsigned own = 0;
            start.arrive_and_wait();
            bool was_busy = false;
            for (unsigned round = 0; round < 20000000 && handovers < 50000; round++) {
                if (bmc_bucket_lock(&bucket) == 0) {
                    was_busy = true;
                    continue;
                }
                handovers += std::exchange(was_busy, false) ? 1 : 0;
                own++;
                if (inside.fetch_add(1) != 0)
                    met++;
                inside.fetch_sub(1);
                bmc_bucket_unlock(&bucket);
            }
            taken += own;
        });
    for (std::thread &writer : writers)
        writer.join();

    EXPECT_EQ(met, 0U);
    EXPECT_EQ(bucket.sequence, 2 * taken);
}

} // namespace
} // namespace bmc::test
