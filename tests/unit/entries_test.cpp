// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/entries.h"

#include <atomic>
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/cache_store.h"

namespace bmc::test
{
namespace
{

/// Everything that read_bucket() finds, by key.
std::map<std::string, CachedEntry> read(const Store &store)
{
    std::vector<CachedEntry> entries;
    std::map<std::string, CachedEntry> by_key;

    EXPECT_TRUE(read_bucket(store.bucket(), entries));
    for (const CachedEntry &entry : entries)
        EXPECT_TRUE(by_key.emplace(entry.key, entry).second) << entry.key;
    return by_key;
}

std::string text_of(const std::string &key, const std::string &value, unsigned flags = 0)
{
    return "VALUE " + key + " " + std::to_string(flags) + " " + std::to_string(value.size()) +
           "\r\n" + value + "\r\n";
}

TEST(Entries, AreThoseThatWereFilled)
{
    Store store;
    const std::string long_key(BMC_KEY_MAX, 'k');
    store.fill("a", hash_of_tag(1), text_of("a", "xyz", 4294967295), 10, 8, 2, 77);
    store.fill(long_key, hash_of_tag(2), text_of(long_key, ""), 12, 8, 4);
    store.fill("b", hash_of_tag(3), text_of("b", std::string(900, '\n')), 14);
    ASSERT_EQ(store.copy("b", hash_of_tag(3)).result, BMC_CACHE_HIT);
    const auto entries = read(store);

    ASSERT_EQ(entries.size(), 3U);
    const CachedEntry &a = entries.at("a");
    EXPECT_EQ(a.flags, 4294967295);
    EXPECT_EQ(a.size, 3U);
    EXPECT_EQ(a.memory, 64U);
    EXPECT_EQ(a.version, 10U);
    EXPECT_EQ(a.generation, 2U);
    EXPECT_EQ(a.deadline_ns, 77U);
    EXPECT_FALSE(a.visited);
    EXPECT_EQ(entries.at(long_key).size, 0U);
    EXPECT_EQ(entries.at(long_key).generation, 4U);
    EXPECT_EQ(entries.at(long_key).deadline_ns, BMC_NO_DEADLINE);
    EXPECT_EQ(entries.at("b").size, 900U);
    EXPECT_TRUE(entries.at("b").visited);

    store.drop(hash_of_tag(1));
    EXPECT_FALSE(read(store).contains("a"));
}

TEST(Entries, WhatMakesNoSenseIsLeftOut)
{
    const auto broken = [](auto breaks) {
        Store store;
        store.fill("a", hash_of_tag(1), text_of("a", "xyz"), 10);
        auto *const block = store.bucket().block[store.bucket().first[0] - BMC_HEADER_BLOCKS];
        bmc_entry head{};
        std::memcpy(&head, block, sizeof head);
        breaks(store.bucket(), head, block + sizeof head);
        std::memcpy(block, &head, sizeof head);
        return read(store).size();
    };

    EXPECT_EQ(broken([](bmc_bucket &, bmc_entry &, __u8 *) {}), 1U);
    EXPECT_EQ(broken([](bmc_bucket &b, bmc_entry &, __u8 *) { b.first[0] = 0; }), 0U);
    EXPECT_EQ(broken([](bmc_bucket &b, bmc_entry &, __u8 *) { b.first[0] = BMC_BUCKET_BLOCKS; }),
              0U);
    EXPECT_EQ(broken([](bmc_bucket &b, bmc_entry &, __u8 *) { b.first[0] = 255; }), 0U);
    EXPECT_EQ(broken([](bmc_bucket &, bmc_entry &h, __u8 *) { h.length = 65535; }), 0U);
    EXPECT_EQ(broken([](bmc_bucket &, bmc_entry &h, __u8 *) { h.length = 0; }), 0U);
    EXPECT_EQ(broken([](bmc_bucket &, bmc_entry &h, __u8 *) { h.length = 12; }), 0U);
    EXPECT_EQ(broken([](bmc_bucket &, bmc_entry &h, __u8 *) { h.key_length = 2; }), 0U);
    EXPECT_EQ(broken([](bmc_bucket &, bmc_entry &h, __u8 *) { h.key_length = 255; }), 0U);
    EXPECT_EQ(broken([](bmc_bucket &, bmc_entry &, __u8 *text) { text[0] = 'v'; }), 0U);
    EXPECT_EQ(broken([](bmc_bucket &, bmc_entry &, __u8 *text) { text[8] = '-'; }), 0U);
    EXPECT_EQ(broken([](bmc_bucket &, bmc_entry &, __u8 *text) { text[11] = '1'; }), 0U);
}

TEST(Entries, LockedBucketIsNotRead)
{
    Store store;
    std::vector<CachedEntry> entries;

    store.fill("a", hash_of_tag(1), text_of("a", "xyz"), 10);
    store.bucket().sequence++;
    EXPECT_FALSE(read_bucket(store.bucket(), entries));
    EXPECT_TRUE(entries.empty());
}

/* Each entry has the version in its value: one that does not is of two instants. */
TEST(Entries, AreConsistentWhileTheBucketIsWritten)
{
    Store store;
    std::atomic<bool> stop = false;
    std::thread writer([&] {
        for (unsigned i = 1; !stop; i++)
            store.fill("a", hash_of_tag(1), text_of("a", std::string(1 + i % 1000, 'x')),
                       2 * (1 + i % 1000));
    });
    std::size_t seen = 0;

    while (seen < 2000) {
        std::vector<CachedEntry> entries;
        if (!read_bucket(store.bucket(), entries))
            continue;
        for (const CachedEntry &entry : entries) {
            EXPECT_EQ(entry.version, 2 * entry.size);
            seen++;
        }
    }
    stop = true;
    writer.join();
}

TEST(EscapeKey, LeavesPrintableAsciiOnly)
{
    EXPECT_EQ(escape_key("user:1~!"), "user:1~!");
    EXPECT_EQ(escape_key("\\x41"), "\\\\x41");
    EXPECT_EQ(escape_key(std::string("\0 \x1b\x7f\xff", 5)), "\\x00\\x20\\x1b\\x7f\\xff");
}

TEST(UnescapeKey, UndoesWhatEscapeKeyDoes)
{
    const std::string key = "a\\x41\x1b\x7f\xff";

    EXPECT_EQ(unescape_key(escape_key(key)), key);
    EXPECT_EQ(unescape_key("user:1~!"), "user:1~!");
    EXPECT_EQ(unescape_key("\\xC3\\xa9"), "\xc3\xa9");
    EXPECT_EQ(unescape_key(std::string(250, 'k')), std::string(250, 'k'));
}

TEST(UnescapeKey, TakesNothingThatIsNoKey)
{
    for (const std::string text : {"", "two words", "a\nb", "a\rb", "\\x00", "\\x20", "\\", "\\n",
                                   "\\x", "\\x4", "\\x4g", "\\x+4", "\\x 4"})
        EXPECT_EQ(unescape_key(text), std::nullopt) << '"' << text << '"';
    EXPECT_EQ(unescape_key(std::string(251, 'k')), std::nullopt);
}

} // namespace
} // namespace bmc::test
