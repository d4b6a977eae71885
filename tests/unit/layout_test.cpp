// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/abi/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

namespace bmc::test
{
namespace
{

// The fields under the check word, by number.
__u64 &field(bmc_grant &g, int n)
{
    __u64 *const fields[] = {&g.key_hash, &g.version, &g.generation, &g.deadline_ns, &g.content};

    return *fields[n];
}
constexpr int fields = 5;

bmc_grant random_grant(std::mt19937_64 &random)
{
    bmc_grant g{};

    for (int n = 0; n < fields; n++)
        field(g, n) = random() % 3 == 0 ? random() % 4 : random();
    g.check = bmc_grant_check(&g);
    return g;
}

bool is_whole(const bmc_grant &g)
{
    return g.check == bmc_grant_check(&g);
}

TEST(Grant, VoidOneIsNotWhole)
{
    const bmc_grant g{};

    EXPECT_FALSE(is_whole(g));
}

TEST(Grant, CheckNoticesEveryBitOfEveryField)
{
    std::mt19937_64 random(13);

    for (int i = 0; i < 200; i++) {
        const bmc_grant good = random_grant(random);
        ASSERT_TRUE(is_whole(good));
        for (int n = 0; n < fields; n++) {
            for (int bit = 0; bit < 64; bit++) {
                bmc_grant bad = good;

                field(bad, n) ^= 1ULL << bit;
                ASSERT_FALSE(is_whole(bad)) << "field " << n << " bit " << bit;
            }
        }
    }
}

// Two writers of one grant, or a reader in the middle of a write: any mix of two
// grants' fields under either check word.
TEST(Grant, CheckNoticesEveryMixOfTwoGrants)
{
    std::mt19937_64 random(14);

    for (int i = 0; i < 5000; i++) {
        const bmc_grant a = random_grant(random), b = random_grant(random);

        for (unsigned mix = 1; mix < (1U << fields); mix++) {
            bmc_grant torn = a;
            bool is_a = true;

            for (int n = 0; n < fields; n++) {
                if ((mix >> n & 1) != 0)
                    field(torn, n) = field(const_cast<bmc_grant &>(b), n);
                is_a = is_a && field(torn, n) == field(const_cast<bmc_grant &>(a), n);
            }
            ASSERT_EQ(is_whole(torn), is_a) << mix;
        }
    }
}

// The usual torn pair: same key, and every field differs by little.
TEST(Grant, CheckNoticesSmallSteps)
{
    bmc_grant g{};

    g.key_hash = 5;
    g.version = 7;
    g.generation = 2;
    g.deadline_ns = BMC_NO_DEADLINE;
    g.content = 11;
    g.check = bmc_grant_check(&g);

    for (int n = 0; n < fields; n++) {
        for (int m = 0; m < fields; m++) {
            for (const __u64 step : {__u64{1}, __u64{2}, ~__u64{0}}) {
                bmc_grant bad = g;

                field(bad, n) += step;
                field(bad, m) += 2 * step;
                ASSERT_FALSE(is_whole(bad));
                std::swap(field(bad = g, n), field(bad, m));
                ASSERT_EQ(is_whole(bad), n == m);
            }
        }
    }
}

TEST(Layout, IndexesStayInside)
{
    std::mt19937_64 random(15);

    for (int bits = 0; bits < 32; bits++) {
        const __u64 count = 1ULL << bits;

        for (int i = 0; i < 1000; i++) {
            const __u64 hash = random();

            ASSERT_LT(bmc_clock_index(hash, count), count);
            ASSERT_EQ(bmc_grant_index(hash, count), bmc_clock_index(hash, count));
        }
    }
}

// What is noted is never forgotten before it is past, however many intervals there are.
TEST(Expiries, AreKnownUntilTheyArePast)
{
    std::mt19937 random(16);

    for (int round = 0; round < 300; round++) {
        bmc_expiries e{};
        std::vector<std::pair<__u32, __u32>> all;
        __u32 now = 1000;

        for (int i = 0; i < 40; i++) {
            now += static_cast<__u32>(random() % 4);
            const __u32 first = now + static_cast<__u32>(random() % 60);
            const __u32 last = first + static_cast<__u32>(random() % 5);
            ASSERT_EQ(bmc_expiry_add(&e, now, first, last), 1);
            all.emplace_back(first, last);
            for (__u32 t = now; t < now + 70; t++) {
                __u64 next = ~0ULL;
                for (const auto &[from, to] : all)
                    if (to >= t)
                        next = std::min<__u64>(next, from <= t ? 0 : from);
                ASSERT_LE(bmc_next_expiry(&e, t), next) << t;
            }
        }
    }
}

TEST(Expiries, AreKeptApartWhileThereIsRoom)
{
    bmc_expiries e{};

    for (__u32 i = 0; i < BMC_EXPIRIES; i++)
        bmc_expiry_add(&e, 1000, 1100 + 10 * i, 1103 + 10 * i);
    bmc_expiry_add(&e, 1000, 1111, 1112); // is there already
    for (__u32 i = 0; i < BMC_EXPIRIES; i++) {
        EXPECT_EQ(bmc_next_expiry(&e, 1099 + 10 * i), 1100 + 10 * i);
        EXPECT_EQ(bmc_next_expiry(&e, 1103 + 10 * i), 0U);
    }
    EXPECT_EQ(bmc_next_expiry(&e, 1104 + 10 * (BMC_EXPIRIES - 1)), ~0ULL);
    // One more: the nearest is stretched.
    bmc_expiry_add(&e, 1000, 1125, 1126);
    EXPECT_EQ(bmc_next_expiry(&e, 1124), 0U);
    EXPECT_EQ(bmc_next_expiry(&e, 1127), 1130U);
    // Past ones make room.
    bmc_expiry_add(&e, 1127, 2000, 2001);
    EXPECT_EQ(bmc_next_expiry(&e, 1160), 2000U);
    EXPECT_EQ(bmc_next_expiry(&e, 1127), 1130U);
}

bmc_lease random_lease(std::mt19937_64 &random)
{
    bmc_lease l{};

    for (__u64 *const field :
         {&l.flow, &l.key_hash, &l.version, &l.generation, &l.time_ns, &l.deadline_ns})
        *field = random();
    l.check = bmc_lease_check(&l);
    return l;
}

TEST(Lease, CheckNoticesEveryBitOfEveryField)
{
    std::mt19937_64 random(17);

    EXPECT_NE(bmc_lease{}.check, [] {
        const bmc_lease none{};
        return bmc_lease_check(&none);
    }());
    for (int i = 0; i < 200; i++) {
        const bmc_lease good = random_lease(random);
        for (const auto field :
             {&bmc_lease::flow, &bmc_lease::key_hash, &bmc_lease::version, &bmc_lease::generation,
              &bmc_lease::time_ns, &bmc_lease::deadline_ns})
            for (int bit = 0; bit < 64; bit++) {
                bmc_lease bad = good;
                bad.*field ^= 1ULL << bit;
                ASSERT_NE(bad.check, bmc_lease_check(&bad)) << bit;
            }
    }
}

} // namespace
} // namespace bmc::test
