// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/protocol/digest.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "tests/unit/reference.h"
#include "tests/unit/text.h"

namespace bmc::test
{
namespace
{

// 0 and 0xffff are the same number in ones' complement.
bool is_same_sum(std::uint16_t a, std::uint16_t b)
{
    return a % 0xffff == b % 0xffff;
}

TEST(Digest, FoldKeepsTheValueModulo65535)
{
    std::mt19937_64 random(5);

    for (const std::uint64_t sum :
         {std::uint64_t{0}, std::uint64_t{0xffff}, std::uint64_t{0x10000},
          std::uint64_t{0xffffffff}, std::uint64_t{0x100000000}, std::uint64_t{0x1ffffffff},
          std::uint64_t{0xfffffffeffffffff}, ~std::uint64_t{0}})
        EXPECT_EQ(bmc_sum_fold(sum), sum == 0 ? 0 : (sum - 1) % 0xffff + 1) << sum;
    for (int i = 0; i < 1000000; i++) {
        const std::uint64_t sum = random() >> (random() % 64);

        ASSERT_EQ(bmc_sum_fold(sum), sum == 0 ? 0 : (sum - 1) % 0xffff + 1) << sum;
    }
}

TEST(Digest, SumIsTheInternetChecksumInMemoryOrder)
{
    std::mt19937 random(6);

    for (const Slack slack : {Slack::zeros, Slack::ones, Slack::random}) {
        for (const std::uint8_t extreme : {0x00, 0xff, 0x01}) {
            std::string bytes = random_string(random, BMC_TEXT_MAX);

            if (extreme != 1)
                bytes.assign(bytes.size(), static_cast<char>(extreme));
            const Text text(bytes, slack);
            for (std::uint32_t pos = 0; pos < 8; pos++)
                for (std::uint32_t length = 0; length <= BMC_TEXT_MAX - pos; length++)
                    ASSERT_PRED2(is_same_sum,
                                 ntohs(bmc_sum_fold(bmc_text_sum(text.get(), pos, length))),
                                 reference::internet_sum(bytes.substr(pos, length)))
                        << pos << " " << length;
        }
    }
}

// The reply's sum is put together from the sums of its parts.
TEST(Digest, SumsOfPartsAddUpAtOddOffsetsToo)
{
    std::mt19937 random(7);

    for (int i = 0; i < 20000; i++) {
        const std::string bytes = random_string(random, 1 + random() % 300);
        const Text text(bytes, Slack::random);
        std::uint64_t sum = 0;

        for (std::uint32_t at = 0; at < bytes.size();) {
            const std::uint32_t length = std::min<std::uint32_t>(
                random() % 70, static_cast<std::uint32_t>(bytes.size()) - at);
            std::uint16_t part = bmc_sum_fold(bmc_text_sum(text.get(), at, length));

            if (at % 2 == 1)
                part = bmc_sum_swap(part);
            sum += part;
            at += length;
        }
        ASSERT_PRED2(is_same_sum, ntohs(bmc_sum_fold(sum)), reference::internet_sum(bytes));
    }
    EXPECT_EQ(bmc_sum_swap(0x1234), 0x3412);
}

} // namespace
} // namespace bmc::test
