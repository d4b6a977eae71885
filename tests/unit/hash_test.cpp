// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/protocol/hash.h"

#include <gtest/gtest.h>

#include "bmc/protocol/digest.h"
#include "tests/unit/reference.h"
#include "tests/unit/text.h"

namespace bmc::test
{
namespace
{

// The key of the published vectors: bytes 00 01 ... 0f.
constexpr std::uint64_t paper_key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

// SipHash-2-4 from the rounds of hash.h.
std::uint64_t siphash24(const std::uint64_t (&key)[2], std::string_view data)
{
    bmc_sip s;
    const __u64 seed[2] = {key[0], key[1]};
    std::size_t at = 0;
    const auto absorb = [&](std::uint64_t word) {
        s.v3 ^= word;
        bmc_sip_round(&s);
        bmc_sip_round(&s);
        s.v0 ^= word;
    };

    bmc_sip_init(&s, seed);
    for (; at + 8 <= data.size(); at += 8)
        absorb(bmc_load_le(data.data() + at, 8));
    absorb(bmc_load_le(data.data() + at, static_cast<__u32>(data.size() - at)) |
           static_cast<std::uint64_t>(data.size()) << 56);
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        bmc_sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

std::string counting_bytes(std::size_t length)
{
    std::string data;

    for (std::size_t i = 0; i < length; i++)
        data.push_back(static_cast<char>(i));
    return data;
}

// The paper's appendix A (15 bytes), and the vectors of the authors' reference
// code for the empty input and for one to eight bytes.
TEST(Hash, RoundsGiveThePublishedVectors)
{
    EXPECT_EQ(siphash24(paper_key, counting_bytes(15)), 0xa129ca6149be45e5U);

    const std::array<std::uint64_t, 9> expected = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
        0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
        0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462};
    for (std::size_t length = 0; length < expected.size(); length++) {
        EXPECT_EQ(siphash24(paper_key, counting_bytes(length)), expected[length]) << length;
        // and the reference that the other tests compare with is right itself
        EXPECT_EQ(reference::siphash(2, 4, paper_key, counting_bytes(length)), expected[length])
            << length;
    }
}

TEST(Hash, KeyHashIsSipHash13)
{
    std::mt19937 random(2);

    for (std::uint32_t length = 0; length <= 300; length++) {
        const std::string key = random_string(random, length);
        const std::uint64_t seed[2] = {random() * 0x100000001U, random() * 0x300000007U};
        const __u64 as_abi[2] = {seed[0], seed[1]};

        EXPECT_EQ(bmc_key_hash(as_abi, key.data(), length), reference::siphash(1, 3, seed, key));
    }
}

TEST(Hash, ContentHashCoversFlagsLengthAndValue)
{
    std::mt19937 random(3);
    const std::uint64_t seed[2] = {7, 9};
    const __u64 as_abi[2] = {7, 9};

    for (std::uint32_t length = 0; length <= 300; length++) {
        const std::string value = random_string(random, length);
        const std::uint32_t flags = random();

        EXPECT_EQ(bmc_content_hash(as_abi, flags, value.data(), length),
                  reference::siphash(1, 3, seed, value, 0xee,
                                     static_cast<std::uint64_t>(flags) << 32 | length));
    }
    EXPECT_NE(bmc_content_hash(as_abi, 0, "", 0), bmc_key_hash(as_abi, "", 0));
    EXPECT_NE(bmc_content_hash(as_abi, 0, "a", 1), bmc_content_hash(as_abi, 1, "a", 1));
    EXPECT_NE(bmc_content_hash(as_abi, 0, "a\0", 2), bmc_content_hash(as_abi, 0, "a", 1));
}

TEST(Hash, NoContentHashesToAbsent)
{
    EXPECT_EQ(bmc_content_finish(BMC_CONTENT_ABSENT), 1U);
    EXPECT_EQ(bmc_content_finish(1), 1U);
    EXPECT_EQ(bmc_content_finish(~0ULL), ~0ULL);
}

// Every length at every alignment, and at positions up to the last.
TEST(Hash, TextHashesEqualThePlainOnes)
{
    std::mt19937 random(4);
    const std::string bytes = random_string(random, BMC_TEXT_MAX);
    const __u64 seed[2] = {0x0123456789abcdef, 0xfedcba9876543210};

    for (const Slack slack : {Slack::zeros, Slack::ones, Slack::random}) {
        const Text text(bytes, slack);

        for (std::uint32_t pos = 0; pos < 8; pos++) {
            for (std::uint32_t length = 0; length <= BMC_KEY_MAX; length++)
                ASSERT_EQ(bmc_text_key_hash(seed, text.get(), pos, length),
                          bmc_key_hash(seed, bytes.data() + pos, length))
                    << pos << " " << length;
            for (std::uint32_t length = 0; length <= BMC_TEXT_MAX - pos; length++)
                ASSERT_EQ(bmc_text_content_hash(seed, text.get(), length, pos, length),
                          bmc_content_hash(seed, length, bytes.data() + pos, length))
                    << pos << " " << length;
        }
        for (std::uint32_t pos = BMC_TEXT_MAX - 300; pos <= BMC_TEXT_MAX; pos++) {
            const std::uint32_t length = std::min<std::uint32_t>(BMC_TEXT_MAX - pos, BMC_KEY_MAX);

            ASSERT_EQ(bmc_text_key_hash(seed, text.get(), pos, length),
                      bmc_key_hash(seed, bytes.data() + pos, length));
        }
    }
}

// Where the verifier's bounds allow more than a text holds, the slack suffices.
TEST(Hash, TextHashesStayInsideTheirSlack)
{
    const Text text("", Slack::random);
    const __u64 seed[2] = {1, 2};

    EXPECT_EQ(bmc_text_content_hash(seed, text.get(), 0, BMC_TEXT_MAX, BMC_TEXT_MAX),
              bmc_content_hash(seed, 0, text.get()->byte + BMC_TEXT_MAX, BMC_TEXT_MAX));
    // 0x7ff: the most that the mask of bmc_text_tail() lets through
    EXPECT_EQ(bmc_text_tail(text.get()->byte + BMC_TEXT_MAX, 0x7ff),
              bmc_load_le(text.get()->byte + BMC_TEXT_MAX + 0x7f8, 7));
}

} // namespace
} // namespace bmc::test
