// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/cache_store.h"

#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <set>

namespace bmc::test
{
namespace
{

constexpr std::size_t no_room_left = BMC_BUCKET_BLOCKS - BMC_HEADER_BLOCKS;

TEST(Cache, LowestBit)
{
    std::mt19937_64 random(16);

    for (unsigned bit = 0; bit < 64; bit++) {
        EXPECT_EQ(bmc_lowest_bit(1ULL << bit), bit);
        for (int i = 0; i < 100; i++)
            EXPECT_EQ(bmc_lowest_bit((random() | 1) << bit), bit);
    }
}

TEST(Cache, FreeRunIsTheFirstLongEnough)
{
    std::mt19937_64 random(17);
    bmc_bucket b{};

    for (int i = 0; i < 20000; i++) {
        std::bitset<BMC_BUCKET_BLOCKS> used;

        for (unsigned word = 0; word < 2; word++) {
            b.used[word] = random();
            // mostly free, so that there are long runs
            for (int more = 0; more < 1 + i % 4; more++)
                b.used[word] &= random();
            for (unsigned at = 0; at < 64; at++)
                used[64 * word + at] = (b.used[word] >> at & 1) != 0;
        }
        for (__u32 count = 1; count <= BMC_ENTRY_BLOCKS_MAX; count++) {
            unsigned first = 0;
            for (unsigned at = BMC_HEADER_BLOCKS, free = 0; first == 0 && at < used.size(); at++) {
                free = used[at] ? 0 : free + 1;
                if (free == count)
                    first = at + 1 - count;
            }
            ASSERT_EQ(bmc_free_run(&b, count), first) << used << " " << count;
        }
    }
}

TEST(Cache, BlocksOfARunAreMarked)
{
    for (__u32 count = 1; count <= BMC_ENTRY_BLOCKS_MAX; count++) {
        for (__u32 first = 0; first + count <= BMC_BUCKET_BLOCKS; first++) {
            const bmc_block_set set = bmc_blocks_from(first, count);
            for (unsigned at = 0; at < BMC_BUCKET_BLOCKS; at++)
                ASSERT_EQ(((at < 64 ? set.low : set.high) >> at % 64 & 1) != 0,
                          at >= first && at < first + count)
                    << count << " from " << first << " at " << at;
        }
    }
}

TEST(Cache, WayIsFoundAmongUniqueTags)
{
    std::mt19937 random(18);
    bmc_bucket b{};

    for (int i = 0; i < 20000; i++) {
        std::set<__u16> used = {0};

        // neighbours in value make borrows run from lane to lane
        for (__u16 &tag : b.tag) {
            do
                tag = static_cast<__u16>(i % 2 == 0 ? 1 + random() % 80 : random());
            while (!used.insert(tag).second);
            if (random() % 4 == 0)
                tag = 0;
        }
        for (unsigned tag = 0; tag < 88; tag++) {
            const auto *const at = std::find(std::begin(b.tag), std::end(b.tag), tag);
            const __u32 way = bmc_find_way(&b, static_cast<__u16>(tag));

            ASSERT_EQ(way == BMC_NO_WAY, at == std::end(b.tag));
            if (way != BMC_NO_WAY) {
                ASSERT_EQ(b.tag[way], tag);
            }
        }
    }
}

TEST(Cache, BucketsAndTagsCoverTheirRange)
{
    EXPECT_EQ(bmc_bucket_index(0, 1000), 0U);
    EXPECT_EQ(bmc_bucket_index(~0ULL, 1000), 999U);
    EXPECT_EQ(bmc_bucket_index(~0ULL, 1), 0U);
    EXPECT_EQ(bmc_bucket_index(~0ULL, 0xffffffff), 0xfffffffeU);
    EXPECT_EQ(bmc_bucket_index(0x8000000000000000ULL, 1000), 500U);
    for (unsigned tag = 0; tag <= 0xffff; tag++)
        EXPECT_EQ(bmc_tag(hash_of_tag(tag, 0x1234)), tag == 0 ? 1 : tag);
}

TEST(Cache, EverySizeComesBackAsItWasFilled)
{
    std::mt19937 random(19);

    for (std::size_t length = 20; length <= BMC_REPLY_TEXT_MAX; length++) {
        Store store;
        const std::string key(1 + length % 3, 'k');
        std::string text;

        try {
            text = text_of_length(key, length, static_cast<char>(random()));
        } catch (const std::length_error &) {
            continue; // 99 to 100 bytes of value: the line grows by one
        }
        const std::uint32_t pos = random() % 8;
        const std::uint32_t key_at = random() % 16;
        const auto reply_at = static_cast<std::uint32_t>(random() % BMC_REPLY_TEXT_MAX);

        ASSERT_EQ(store.fill(key, hash_of_tag(7), text, 3, pos, 4, 5).result, BMC_FILL_DONE);
        ASSERT_EQ(store.disagreement(), std::nullopt);
        const auto found = store.copy(key, hash_of_tag(7), key_at, reply_at);
        ASSERT_EQ(found.result, BMC_CACHE_HIT) << length;
        ASSERT_EQ(found.text, text);
        ASSERT_EQ(found.head.version, 3U);
        ASSERT_EQ(found.head.generation, 4U);
        ASSERT_EQ(found.head.deadline_ns, 5U);
        ASSERT_EQ(found.head.key_length, key.size());
        const Text source(text);
        ASSERT_EQ(found.head.sum,
                  bmc_sum_fold(bmc_text_sum(source.get(), 0, static_cast<__u32>(length))));
    }
}

TEST(Cache, TooLargeIsRefusedAndLeavesTheBucketAlone)
{
    Store store;
    const std::string small = text_of_length("k", 40, 's');

    ASSERT_EQ(store.fill("k", hash_of_tag(7), small, 1).result, BMC_FILL_DONE);
    EXPECT_EQ(
        store.fill("k", hash_of_tag(7), text_of_length("k", BMC_REPLY_TEXT_MAX + 1, 'x'), 2).result,
        BMC_FILL_TOO_LARGE);
    EXPECT_EQ(store.copy("k", hash_of_tag(7)).text, small);
    EXPECT_EQ(store.bucket().sequence, 2U);
}

TEST(Cache, EveryKeyLengthIsComparedWhole)
{
    for (std::size_t length = 1; length <= BMC_KEY_MAX; length++) {
        Store store;
        std::string key(length, 'k');
        const std::string text = text_of_length(key, 700, 'v');

        ASSERT_EQ(store.fill(key, hash_of_tag(7), text, 1).result, BMC_FILL_DONE);
        ASSERT_EQ(store.copy(key, hash_of_tag(7)).text, text);
        // same tag: any one byte different, or one byte shorter or longer
        for (std::size_t at = 0; at < length; at++) {
            std::string other = key;

            other[at] ^= 0x01;
            ASSERT_EQ(store.copy(other, hash_of_tag(7)).result, BMC_CACHE_MISS) << at;
        }
        ASSERT_EQ(store.copy(key + "k", hash_of_tag(7)).result, BMC_CACHE_MISS);
        if (length > 1) {
            ASSERT_EQ(store.copy(key.substr(1), hash_of_tag(7)).result, BMC_CACHE_MISS);
        }
        ASSERT_EQ(store.copy(key, hash_of_tag(8)).result, BMC_CACHE_MISS);
    }
}

TEST(Cache, SameKeyIsReplaced)
{
    Store store;

    for (unsigned version = 1; version < 500; version++) {
        const std::string text =
            text_of_length("key", 30 + version * 7 % 60, static_cast<char>(version));
        const auto filled = store.fill("key", hash_of_tag(7), text, version);

        ASSERT_EQ(filled.result, BMC_FILL_DONE);
        ASSERT_EQ(filled.evicted, 0U);
        ASSERT_EQ(store.copy("key", hash_of_tag(7)).text, text);
        ASSERT_EQ(store.bucket().entries, 1U);
        ASSERT_EQ(store.disagreement(), std::nullopt);
    }
}

TEST(Cache, SameVersionIsFilledOnce)
{
    Store store;
    const std::string text = text_of_length("key", 60, 'x');

    ASSERT_EQ(store.fill("key", hash_of_tag(7), text, 1).result, BMC_FILL_DONE);
    EXPECT_EQ(store.fill("key", hash_of_tag(7), text, 1).result, BMC_FILL_SAME);
    EXPECT_EQ(store.fill("key", hash_of_tag(7), text, 1, 8, 4).result, BMC_FILL_DONE);
    EXPECT_EQ(store.fill("key", hash_of_tag(7), text, 2, 8, 4).result, BMC_FILL_DONE);
    EXPECT_EQ(store.disagreement(), std::nullopt);
}

// Keys of one tag cannot live together; the last one filled is the one that is
// there, also when both are at the same version and as long.
TEST(Cache, SameTagIsReplaced)
{
    Store store;
    const std::string a = text_of_length("key:a", 60, 'x'), b = text_of_length("key:b", 60, 'x');

    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(store.fill("key:a", hash_of_tag(7, 1), a, 1).result, BMC_FILL_DONE);
        EXPECT_EQ(store.copy("key:a", hash_of_tag(7, 1)).text, a);
        EXPECT_EQ(store.copy("key:b", hash_of_tag(7, 2)).result, BMC_CACHE_MISS);
        ASSERT_EQ(store.fill("key:b", hash_of_tag(7, 2), b, 1).result, BMC_FILL_DONE);
        EXPECT_EQ(store.copy("key:b", hash_of_tag(7, 2)).text, b);
        EXPECT_EQ(store.copy("key:a", hash_of_tag(7, 1)).result, BMC_CACHE_MISS);
        EXPECT_EQ(store.bucket().entries, 1U);
    }
    EXPECT_EQ(store.disagreement(), std::nullopt);
}

TEST(Cache, DropRemovesTheEntryOnly)
{
    Store store;

    for (unsigned tag = 1; tag <= 3; tag++)
        store.fill("k", hash_of_tag(tag), text_of_length("k", 50, 'x'), 1);
    store.drop(hash_of_tag(2));
    EXPECT_EQ(store.disagreement(), std::nullopt);
    EXPECT_EQ(store.bucket().entries, 2U);
    EXPECT_EQ(store.copy("k", hash_of_tag(1)).result, BMC_CACHE_HIT);
    EXPECT_EQ(store.copy("k", hash_of_tag(2)).result, BMC_CACHE_MISS);
    EXPECT_EQ(store.copy("k", hash_of_tag(3)).result, BMC_CACHE_HIT);

    const std::uint32_t sequence = store.bucket().sequence;
    store.drop(hash_of_tag(4)); // not there: nobody is disturbed
    EXPECT_EQ(store.bucket().sequence, sequence);
}

TEST(Cache, BucketBeingWrittenIsBusyForAll)
{
    Store store;
    const std::string text = text_of_length("k", 50, 'x');

    store.fill("k", hash_of_tag(1), text, 1);
    const bmc_bucket before = store.bucket();
    store.bucket().sequence++;
    EXPECT_EQ(store.copy("k", hash_of_tag(1)).result, BMC_CACHE_BUSY);
    EXPECT_EQ(store.copy("absent", hash_of_tag(9)).result, BMC_CACHE_BUSY);
    EXPECT_EQ(store.fill("k", hash_of_tag(1), text, 2).result, BMC_FILL_BUSY);
    store.drop(hash_of_tag(1));
    store.bucket().sequence--;
    EXPECT_EQ(std::memcmp(&before, &store.bucket(), sizeof(before)), 0);
}

TEST(Cache, EvictionGoesRoundAndSparesAVisitedEntryOnce)
{
    Store store;
    // as many entries of one block each as there are ways; ways are taken in some order
    const auto text = [](unsigned tag) {
        return text_of_length("k" + std::to_string(tag), 32, 'x');
    };
    const auto key = [](unsigned tag) { return "k" + std::to_string(tag); };
    const auto is_there = [&](unsigned tag) {
        return bmc_find_way(&store.bucket(), static_cast<__u16>(tag)) != BMC_NO_WAY;
    };

    for (unsigned tag = 1; tag <= BMC_BUCKET_WAYS; tag++)
        ASSERT_EQ(store.fill(key(tag), hash_of_tag(tag), text(tag), 1).evicted, 0U);
    ASSERT_EQ(store.bucket().entries, static_cast<__u32>(BMC_BUCKET_WAYS));
    const std::vector<__u16> order(std::begin(store.bucket().tag), std::end(store.bucket().tag));

    // the hand stands at way 0: hit the entries of ways 0, 1 and 3
    for (const unsigned way : {0U, 1U, 3U})
        ASSERT_EQ(store.copy(key(order[way]), hash_of_tag(order[way])).result, BMC_CACHE_HIT);
    ASSERT_EQ(store.bucket().visited, 0b1011U);

    ASSERT_EQ(store.fill(key(100), hash_of_tag(100), text(100), 1).evicted, 1U);
    EXPECT_FALSE(is_there(order[2])); // 0 and 1 were spared
    EXPECT_EQ(store.bucket().visited, 0b1000U);
    ASSERT_EQ(store.fill(key(101), hash_of_tag(101), text(101), 1).evicted, 1U);
    EXPECT_FALSE(is_there(order[4])); // 3 was spared
    EXPECT_EQ(store.bucket().visited, 0U);
    for (unsigned i = 0; i < BMC_BUCKET_WAYS - 5; i++)
        ASSERT_EQ(store.fill(key(200 + i), hash_of_tag(200 + i), text(200 + i), 1).evicted, 1U);
    EXPECT_TRUE(is_there(order[0]));
    ASSERT_EQ(store.fill(key(300), hash_of_tag(300), text(300), 1).evicted, 1U);
    EXPECT_FALSE(is_there(order[0])); // once only
    EXPECT_EQ(store.disagreement(), std::nullopt);
}

TEST(Cache, HitsOfAllDoNotStopAFill)
{
    Store store;

    for (unsigned tag = 1; tag <= BMC_BUCKET_WAYS + 8; tag++) {
        const std::string key = "k" + std::to_string(tag);
        ASSERT_EQ(store.fill(key, hash_of_tag(tag), text_of_length(key, 32, 'x'), 1).result,
                  BMC_FILL_DONE);
        store.bucket().visited = ~0ULL >> (64 - BMC_BUCKET_WAYS);
    }
    ASSERT_EQ(
        store.fill("large", hash_of_tag(99), text_of_length("large", BMC_REPLY_TEXT_MAX, 'x'), 1)
            .result,
        BMC_FILL_DONE);
    EXPECT_EQ(store.copy("large", hash_of_tag(99)).result, BMC_CACHE_HIT);
    EXPECT_EQ(store.disagreement(), std::nullopt);
}

TEST(Cache, LargestEntriesShareABucket)
{
    Store store;
    const std::size_t fit = no_room_left / BMC_ENTRY_BLOCKS_MAX;

    for (unsigned tag = 1; tag <= 10; tag++) {
        const auto filled =
            store.fill("k", hash_of_tag(tag), text_of_length("k", BMC_REPLY_TEXT_MAX, 'x'), 1);
        ASSERT_EQ(filled.result, BMC_FILL_DONE);
        ASSERT_EQ(filled.evicted, tag <= fit ? 0U : 1U);
        ASSERT_EQ(store.disagreement(), std::nullopt);
    }
}

// A bucket may hold anything a reader can meet in the middle of a write: the
// copy stays inside its arrays (AddressSanitizer) and comes back.
TEST(Cache, RubbishInTheBucketIsSurvived)
{
    std::mt19937 random(20);
    Store store;

    for (int i = 0; i < 20000; i++) {
        auto *const bytes = reinterpret_cast<std::uint8_t *>(&store.bucket());
        for (std::size_t at = 0; at < sizeof(bmc_bucket); at++)
            bytes[at] = i % 3 == 0 ? 0xff : static_cast<std::uint8_t>(random());
        store.bucket().sequence = 0;
        store.bucket().tag[random() % BMC_BUCKET_WAYS] = 7;
        const auto found = store.copy(std::string(1 + random() % BMC_KEY_MAX, 'k'), hash_of_tag(7),
                                      0, random() % BMC_REPLY_TEXT_MAX);
        ASSERT_NE(found.result, BMC_CACHE_BUSY);
    }
}

// Whatever a copy gives is what was last filled for that key, and the books
// balance after every step.
TEST(Cache, RandomOperationsAgreeWithAMap)
{
    std::mt19937 random(21);
    Store store;
    struct Model {
        std::string text;
        __u64 version = 0;
    };
    std::map<std::string, Model> model;
    std::uint32_t hits = 0, fills = 0, evictions = 0;
    // 60 keys, two to each of 30 tags: more than the ways, with collisions
    const auto hash = [](unsigned n) { return hash_of_tag(1 + n % 30, n); };

    for (int i = 0; i < 100000; i++) {
        const unsigned n = random() % 60;
        const std::string key = "key" + std::to_string(n);

        switch (random() % 8) {
        case 0:
        case 1: {
            const std::size_t length =
                random() % 4 == 0 ? 20 + random() % 1360 : 20 + random() % 70;
            std::string text;
            try {
                text = text_of_length(key, length, static_cast<char>(random()));
            } catch (const std::length_error &) {
                continue;
            }
            const __u64 version = 1000U + static_cast<unsigned>(i);
            const auto filled = store.fill(key, hash(n), text, version, random() % 50);
            ASSERT_EQ(filled.result, BMC_FILL_DONE);
            model[key] = {text, version};
            fills++;
            evictions += filled.evicted;
            ASSERT_EQ(store.copy(key, hash(n)).result, BMC_CACHE_HIT);
            break;
        }
        case 2:
            if (random() % 8 == 0) {
                store.drop(hash(n));
                ASSERT_EQ(store.copy(key, hash(n)).result, BMC_CACHE_MISS);
            }
            break;
        default: {
            const auto found =
                store.copy(key, hash(n), random() % 50, random() % BMC_REPLY_TEXT_MAX);
            ASSERT_NE(found.result, BMC_CACHE_BUSY);
            if (found.result == BMC_CACHE_HIT) {
                ASSERT_EQ(found.text, model.at(key).text);
                ASSERT_EQ(found.head.version, model.at(key).version);
                hits++;
            }
            break;
        }
        }
        ASSERT_EQ(store.disagreement(), std::nullopt) << "step " << i;
    }
    // the run has been through all of it
    EXPECT_GT(hits, 10000U);
    EXPECT_GT(fills, 10000U);
    EXPECT_GT(evictions, 5000U);
}

} // namespace
} // namespace bmc::test
