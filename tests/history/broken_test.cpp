// SPDX-License-Identifier: BSD-3-Clause
//
// The history test must be able to fail: builds that are broken on purpose, one
// safeguard less each (broken/*.patch), must give histories that it blames.

#include <cstdio>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/e2e/fixture.h"
#include "tests/history/workload.h"

namespace bmc::test::history
{
namespace
{

/// Runs the workload, on new random numbers each time, until its history is blamed.
void expect_blame(const char *name, const Rig::Options &programs, Workload workload)
{
    constexpr int attempts = 10;
    const std::uint64_t first = seed();

    require_root();
    if (testing::Test::IsSkipped() || testing::Test::HasFatalFailure())
        return;
    for (int i = 0; i < attempts; i++) {
        // A new one: what an earlier run has stored is not in this one's history.
        Rig rig(programs);
        workload.seed = first + static_cast<std::uint64_t>(i);
        const Outcome outcome = run(rig, workload);
        const History::Verdict verdict = judge_and_report(name, workload, outcome);
        EXPECT_GT(kernel_share(outcome), 0);
        if (verdict.violations == 0)
            continue;
        std::printf("%s: blamed in run %d: %s\n", name, i + 1, verdict.messages[0].c_str());
        return;
    }
    ADD_FAILURE() << name << ": not blamed in " << attempts << " runs";
}

TEST(Broken, FillWithoutGrant)
{
    expect_blame("fill without grant", {.bmc = "bmc-broken-fill-without-grant"}, race());
}

TEST(Broken, HitWithoutClock)
{
    expect_blame("hit without clock", {.bmc = "bmc-broken-hit-without-clock"}, race());
}

TEST(Broken, TickAfterChange)
{
    expect_blame("tick after change", {.memcached = "memcached-sr-broken-tick-after-change"},
                 race());
}

TEST(Broken, OneStepGeneration)
{
    expect_blame("one-step generation",
                 {.memcached = "memcached-sr-broken-one-step-generation", .segmented_lru = false},
                 flushes());
}

} // namespace
} // namespace bmc::test::history
