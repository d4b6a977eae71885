// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/cpu_time.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace loadgen
{
namespace
{

TEST(CpuTime, GrowsByWhatTheProcessUses)
{
    constexpr int64_t work_ns = 20'000'000;
    const auto begin = cpu_time_ns(getpid());
    ASSERT_TRUE(begin);
    EXPECT_GT(*begin, 0);
    for (auto now = begin; *now < *begin + work_ns; now = cpu_time_ns(getpid()))
        ASSERT_TRUE(now);
}

TEST(CpuTime, NoSuchProcess)
{
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    ASSERT_GT(child, 0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);

    const auto time = cpu_time_ns(child);
    ASSERT_FALSE(time);
    EXPECT_NE(time.error().line().find("process " + std::to_string(child)), std::string::npos);
}

} // namespace
} // namespace loadgen
