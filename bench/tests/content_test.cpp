// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/content.h"
#include "bench/loadgen/random.h"

#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>

namespace loadgen
{
namespace
{

Content make_content(uint64_t keys, uint32_t key_size, const char *sizes)
{
    auto distribution = SizeDistribution::parse(sizes);
    auto content = Content::make(keys, key_size, *distribution);
    return *content;
}

std::string key(const Content &content, uint64_t index)
{
    std::string text(content.key_size(), '\0');
    content.write_key(index, text.data());
    return text;
}

std::string value(const Content &content, uint64_t index, uint32_t version)
{
    const uint32_t size = content.value_size(index, version);
    std::string bytes(size + 8, '\x55');
    content.write_value(index, version, bytes.data());
    EXPECT_EQ(bytes.back(), '\x55'); // at most 7 bytes more than the value
    bytes.resize(size);
    return bytes;
}

TEST(SizeDistribution, Forms)
{
    EXPECT_EQ(SizeDistribution::parse("0")->max(), 0U);
    EXPECT_EQ(SizeDistribution::parse("32")->pick(12345), 32U);
    EXPECT_EQ(SizeDistribution::parse("1-1400")->max(), 1400U);
    EXPECT_EQ(SizeDistribution::parse("500:3,7-9,1:2")->max(), 500U);
}

TEST(SizeDistribution, BadFormsAreRefused)
{
    for (const char *text : {"", "x", "-", "5-", "-5", "9-3", "32:", "32:0", "32:x", ":3", "32,",
                             ",32", "1048577", "99999999999999999999", "3 2"})
        EXPECT_FALSE(SizeDistribution::parse(text)) << text;
}

TEST(SizeDistribution, WeightsAndRangesAreObserved)
{
    auto sizes = SizeDistribution::parse("32:90,100-109:10");
    std::map<uint32_t, int> counts;
    Random random(3);
    for (int i = 0; i < 100000; i++)
        counts[sizes->pick(random.next())]++;

    EXPECT_EQ(counts.size(), 11U);
    EXPECT_NEAR(counts[32], 90000, 500);
    for (uint32_t size = 100; size < 110; size++)
        EXPECT_NEAR(counts[size], 1000, 200) << size;
}

TEST(Content, KeysAreDistinctAndOfFullSize)
{
    const Content content = make_content(1000, 3, "32");
    std::set<std::string> seen;
    for (uint64_t i = 0; i < 1000; i++)
        seen.insert(key(content, i));
    EXPECT_EQ(seen.size(), 1000U);
    EXPECT_EQ(key(make_content(1000, 8, "32"), 42), "kkkkkk42");
    EXPECT_EQ(key(make_content(1, 250, "32"), 0), std::string(249, 'k') + "0");
}

TEST(Content, TooShortAndTooLongKeysAreRefused)
{
    auto sizes = SizeDistribution::parse("32");
    EXPECT_FALSE(Content::make(1001, 3, *sizes));
    EXPECT_TRUE(Content::make(1001, 4, *sizes));
    EXPECT_FALSE(Content::make(1, 251, *sizes));
}

TEST(Content, ValuesDependOnKeyAndVersionOnly)
{
    const Content content = make_content(100, 16, "64");
    EXPECT_EQ(value(content, 5, 1), value(content, 5, 1));
    EXPECT_NE(value(content, 5, 1), value(content, 5, 2));
    EXPECT_NE(value(content, 5, 1), value(content, 6, 1));
}

TEST(Content, ValuesHaveAllBytesAndSizes)
{
    const Content content = make_content(10000, 16, "0-20");
    std::set<size_t> sizes;
    std::set<char> bytes;
    for (uint64_t i = 0; i < 10000; i++) {
        const std::string v = value(content, i, 1);
        sizes.insert(v.size());
        bytes.insert(v.begin(), v.end());
    }
    EXPECT_EQ(sizes.size(), 21U);
    EXPECT_EQ(bytes.size(), 256U);
}

TEST(Content, FlagsTellTheVersion)
{
    const Content content = make_content(100, 16, "0");
    for (const uint32_t version : {1U, 2U, 77777U, UINT32_MAX}) {
        EXPECT_EQ(content.version_of(9, content.flags(9, version)), version);
        EXPECT_NE(content.version_of(8, content.flags(9, version)), version);
    }
}

} // namespace
} // namespace loadgen
