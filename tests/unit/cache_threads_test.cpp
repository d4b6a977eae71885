// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/unit/cache_store.h"

namespace bmc::test
{
namespace
{

constexpr unsigned key_count = 40;
constexpr unsigned fills_per_writer = 60000;

std::string key_of(unsigned n)
{
    return "key" + std::to_string(n);
}

// A text that says which fill it belongs to in every byte of its value.
std::string text_of(unsigned n, __u64 version)
{
    const std::size_t length = 30 + (version * 37) % (version % 5 == 0 ? 1300 : 90);
    const char fill = static_cast<char>('a' + version % 26);
    std::string value = std::to_string(version) + ":";

    value.resize(std::max(length, value.size()), fill);
    return "VALUE " + key_of(n) + " 0 " + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}

// Readers without a lock, writers that take turns: whatever a reader gets is one
// entry as it was filled, head and text.
TEST(CacheThreads, ReadersNeverSeeATornEntry)
{
    Store store;
    std::atomic<bool> is_over = false;
    std::atomic<unsigned> torn = 0, hits = 0, busy_fills = 0;

    const auto write = [&](unsigned seed) {
        std::mt19937 random(seed);

        for (unsigned i = 1; i <= fills_per_writer; i++) {
            const unsigned n = random() % key_count;
            const __u64 version = i * 2ULL + seed;

            if (random() % 50 == 0)
                store.drop(hash_of_tag(1 + n));
            if (store
                    .fill(key_of(n), hash_of_tag(1 + n), text_of(n, version), version, 8,
                          version + 1, version + 2)
                    .result == BMC_FILL_BUSY)
                busy_fills++;
        }
    };
    const auto read = [&](unsigned seed) {
        std::mt19937 random(seed);

        while (!is_over) {
            const unsigned n = random() % key_count;
            const auto found = store.copy(key_of(n), hash_of_tag(1 + n));

            if (found.result != BMC_CACHE_HIT)
                continue;
            hits++;
            if (found.text != text_of(n, found.head.version) ||
                found.head.generation != found.head.version + 1 ||
                found.head.deadline_ns != found.head.version + 2)
                torn++;
        }
    };
    std::vector<std::thread> readers, writers;

    for (unsigned i = 0; i < 2; i++)
        readers.emplace_back(read, i);
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
}

} // namespace
} // namespace bmc::test
