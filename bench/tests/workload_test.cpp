// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/workload.h"

#include "tests/harness/error.h"
#include "tests/harness/paths.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace runner
{
namespace
{

constexpr const char *right = R"({"name": "w", "what": "what", "source": "s", "keys": 1000,
    "key_size": 16, "value_size": "32"})";

class WorkloadTest : public testing::Test
{
  protected:
    void SetUp() override { std::filesystem::create_directory(folder_); }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    Workload read(const std::string &text) const
    {
        const std::string path = folder_ + "/w.json";
        std::ofstream(path) << text;
        return read_workload(path);
    }
    /// What is said of a file that is refused.
    std::string refusal(const std::string &text) const
    {
        try {
            read(text);
        } catch (const bmc::test::Error &error) {
            return error.what();
        }
        return "not refused";
    }
    static std::string with(const std::string &field)
    {
        std::string text = right;
        return text.replace(text.rfind('}'), 1, ", " + field + "}");
    }

    std::string folder_ =
        std::filesystem::temp_directory_path() / ("workload-" + std::to_string(::getpid()));
};

TEST_F(WorkloadTest, AllOfTheProjectAreRight)
{
    const auto all = read_workloads(bmc::test::source_path("bench/workloads"));
    for (const char *name : {"paper", "paper_80_20", "all_miss", "all_large", "multi_get", "etc",
                             "usr", "kvcache", "large_100", "large_1380"})
        EXPECT_TRUE(std::any_of(all.begin(), all.end(), [name](const Workload &w) {
            return w.name == name;
        })) << name;
    for (const Workload &workload : all) {
        EXPECT_FALSE(workload.what.empty()) << workload.name;
        EXPECT_FALSE(workload.source.empty()) << workload.name;
    }
}

TEST_F(WorkloadTest, DefaultsAreFilledIn)
{
    const Workload workload = read(right);
    EXPECT_EQ(workload.keys, 1000U);
    EXPECT_EQ(workload.distribution, "zipf");
    EXPECT_EQ(workload.theta, 0.99);
    EXPECT_EQ(workload.set_ratio, 0);
    EXPECT_EQ(workload.keys_per_get, 1U);
}

TEST_F(WorkloadTest, WhatIsWrongIsNamedInOneLine)
{
    const std::pair<std::string, const char *> cases[] = {
        {with(R"("keyz": 5)"), "unknown field 'keyz'"},
        {R"({"name": "w"})", "field 'what' is missing"},
        {with(R"("theta": "much")"), "field 'theta' is of the wrong kind"},
        {with(R"("theta": 9)"), "field 'theta' must be from 0.01 to 5"},
        {with(R"("set_ratio": -1)"), "field 'set_ratio' must be"},
        {with(R"("keys_per_get": 1.5)"), "field 'keys_per_get' is no whole number"},
        {with(R"("keys_per_get": -1)"), "field 'keys_per_get' is no whole number"},
        {with(R"("distribution": "best")"), "unknown distribution 'best'"},
        {R"({"name": "w", "what": "", "source": "", "keys": 1000, "key_size": 2,
             "value_size": "32"})",
         "key size 2"},
        {R"({"name": "w", "what": "", "source": "", "keys": 1000, "key_size": 16,
             "value_size": "x"})",
         "value size 'x'"},
        {R"({"name": "v", "what": "", "source": "", "keys": 1000, "key_size": 16,
             "value_size": "3"})",
         "is not the file's"},
        {"[]", "no object"},
        {"{", "no JSON"},
    };
    for (const auto &[text, said] : cases) {
        const std::string line = refusal(text);
        EXPECT_NE(line.find(said), line.npos) << line;
        EXPECT_NE(line.find("w.json"), line.npos) << line;
        EXPECT_EQ(line.find('\n'), line.npos) << line;
    }
    EXPECT_THROW(read_workload(folder_ + "/none.json"), bmc::test::Error);
}

TEST_F(WorkloadTest, MemoryFollowsTheShare)
{
    Workload workload = read(right);
    workload.keys = 1'000'000;
    EXPECT_EQ(text_bytes(workload), 74'000'000U);
    EXPECT_EQ(memory_for(workload), "439M");
    workload.memory_share = 0.1;
    EXPECT_EQ(memory_for(workload), "7M");
    workload.memory_share = 0.001;
    EXPECT_EQ(memory_for(workload), "1M");
}

} // namespace
} // namespace runner
