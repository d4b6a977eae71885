// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/key_choice.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <ostream>
#include <vector>

namespace loadgen
{
namespace
{

std::vector<double> zipf_probabilities(uint64_t n, double theta)
{
    std::vector<double> probabilities(n);
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += probabilities[i] = std::pow(static_cast<double>(i + 1), -theta);
    for (double &p : probabilities)
        p /= sum;
    return probabilities;
}

// Pearson's chi-square statistic of `draws` draws against exact probabilities,
// brought to a standard normal deviate (Wilson and Hilferty, 1931).
double deviate(const KeyChoice &choose, const std::vector<double> &probabilities, uint64_t draws)
{
    Random random(42);
    std::vector<uint64_t> counts(probabilities.size());
    for (uint64_t i = 0; i < draws; i++)
        counts.at(choose(random))++;

    double chi_square = 0;
    for (size_t i = 0; i < probabilities.size(); i++) {
        const double expected = probabilities[i] * static_cast<double>(draws);
        const double difference = static_cast<double>(counts[i]) - expected;
        chi_square += difference * difference / expected;
    }
    const auto freedom = static_cast<double>(probabilities.size() - 1);
    const double spread = 2 / (9 * freedom);
    return (std::cbrt(chi_square / freedom) - (1 - spread)) / std::sqrt(spread);
}

struct Case {
    const char *name;
    uint64_t keys;
    double theta;
};

void PrintTo(const Case &value, std::ostream *out)
{
    *out << value.keys << " keys, theta " << value.theta;
}

class ZipfTest : public testing::TestWithParam<Case>
{
};

TEST_P(ZipfTest, FollowsExactProbabilities)
{
    const auto [name, keys, theta] = GetParam();
    const double z =
        deviate(KeyChoice::zipf(keys, theta), zipf_probabilities(keys, theta), 2'000'000);
    EXPECT_LT(std::abs(z), 4);
}

INSTANTIATE_TEST_SUITE_P(Thetas, ZipfTest,
                         testing::Values(Case{"two_keys", 2, 0.99}, Case{"ten_keys", 10, 0.99},
                                         Case{"theta_0_99", 1000, 0.99},
                                         Case{"theta_0_5", 1000, 0.5}, Case{"theta_1", 1000, 1},
                                         Case{"theta_1_5", 100, 1.5}),
                         [](const auto &test) { return test.param.name; });

TEST(Zipf, ATestAgainstOtherProbabilitiesFails)
{
    EXPECT_GT(deviate(KeyChoice::zipf(1000, 0.97), zipf_probabilities(1000, 0.99), 2'000'000), 10);
}

TEST(Zipf, OneKeyIsAlwaysChosen)
{
    Random random(7);
    const KeyChoice choose = KeyChoice::zipf(1, 0.99);
    for (int i = 0; i < 1000; i++)
        EXPECT_EQ(choose(random), 0U);
}

TEST(Zipf, ManyKeysStayInRange)
{
    constexpr uint64_t keys = 1ULL << 32;
    Random random(7);
    const KeyChoice choose = KeyChoice::zipf(keys, 0.99);
    uint64_t largest = 0;
    for (int i = 0; i < 100000; i++)
        largest = std::max(largest, choose(random));
    EXPECT_LT(largest, keys);
    EXPECT_GT(largest, keys / 2);
}

TEST(Uniform, FollowsExactProbabilities)
{
    const std::vector<double> probabilities(1000, 0.001);
    EXPECT_LT(std::abs(deviate(KeyChoice::uniform(1000), probabilities, 2'000'000)), 4);
}

TEST(HotSet, FollowsExactProbabilities)
{
    std::vector<double> probabilities(1000, 0.2 / 900);
    std::fill_n(probabilities.begin(), 100, 0.8 / 100);
    EXPECT_LT(std::abs(deviate(KeyChoice::hot_set(1000, 100, 0.8), probabilities, 2'000'000)), 4);
    EXPECT_GT(deviate(KeyChoice::hot_set(1000, 100, 0.75), probabilities, 2'000'000), 10);
}

} // namespace
} // namespace loadgen
