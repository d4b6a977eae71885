// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/report.h"

#include <gtest/gtest.h>

namespace runner
{
namespace
{

Ratio ratio(std::vector<double> rounds)
{
    return {.name = "r", .what = "w", .unit = "u", .rounds = std::move(rounds)};
}

TEST(BenchReport, ARatioHasItsSpreadBesideIt)
{
    Ratio one = ratio({1.0, 1.0, 1.0, 1.0, 1.0, 1.02});
    one.target = Target{0.9, true};
    const auto json = to_json(one);
    EXPECT_EQ(json.at("value"), 1.0);
    EXPECT_EQ(json.at("target"), 0.9);
    EXPECT_EQ(json.at("verdict"), "reached");
    EXPECT_EQ(json.at("unit"), "u");
    EXPECT_EQ(json.at("what"), "w");
    EXPECT_EQ(json.at("spread").at("rounds"), 6);
    EXPECT_EQ(json.at("spread").at("interval_95"), nlohmann::ordered_json({1.0, 1.02}));
    EXPECT_FALSE(json.contains("reason"));
}

TEST(BenchReport, AMeaninglessValueIsWithheldWithItsReason)
{
    Ratio one = ratio({1, 2, 3, 4, 5, 6});
    one.target = Target{0.5, true};
    const auto json = to_json(one);
    EXPECT_TRUE(json.at("value").is_null());
    EXPECT_EQ(json.at("verdict"), "undecided");
    EXPECT_NE(json.at("reason").get<std::string>().find("wider than 50 %"), std::string::npos);
    EXPECT_EQ(json.at("spread").at("median"), 3.5);
}

TEST(BenchReport, AMeasurementThatDoesNotCountHasNoValue)
{
    Ratio one = ratio({1, 1, 1, 1, 1, 1});
    one.invalid = "it was nothing";
    const auto json = to_json(one);
    EXPECT_TRUE(json.at("value").is_null());
    EXPECT_EQ(json.at("reason"), "it was nothing");
}

// A ratio near 1 is judged, what is added to it is shown.
TEST(BenchReport, AnAddedPartIsShownLessOne)
{
    Ratio one = ratio({1.03, 1.04, 1.04, 1.04, 1.04, 1.045});
    one.target = Target{1.05, false};
    one.shift = -1;
    const auto json = to_json(one);
    EXPECT_NEAR(json.at("value").get<double>(), 0.04, 1e-9);
    EXPECT_NEAR(json.at("target").get<double>(), 0.05, 1e-9);
    EXPECT_NEAR(json.at("spread").at("max").get<double>(), 0.045, 1e-9);
    EXPECT_EQ(json.at("verdict"), "reached");
    EXPECT_EQ(json.at("target_is"), "at most");
}

TEST(BenchReport, TableNamesValuesAndReasons)
{
    Ratio large = ratio({4.1e6, 4.1e6, 4.1e6, 4.1e6, 4.1e6, 4.1e6});
    const nlohmann::ordered_json ratios = {{"items", to_json(large)},
                                           {"wide", to_json(ratio({1, 2}))}};
    const std::string table = ratio_table(ratios);
    EXPECT_NE(table.find("4,100,000"), table.npos);
    EXPECT_NE(table.find("wide: no value, because 2 rounds have no 95 % interval"), table.npos);
}

TEST(BenchReport, MachineIsNamed)
{
    const auto machine = machine_json();
    EXPECT_FALSE(machine.at("cpu").get<std::string>().empty());
    EXPECT_FALSE(machine.at("kernel").get<std::string>().empty());
    EXPECT_FALSE(machine.at("load_before").get<std::string>().empty());
}

} // namespace
} // namespace runner
