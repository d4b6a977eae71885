// SPDX-License-Identifier: BSD-3-Clause
//
// Many clients, every command, hot keys, constant eviction in memcached and in
// the cache: what each client saw must have an order that explains it.

#include <gtest/gtest.h>

#include "tests/e2e/fixture.h"
#include "tests/history/workload.h"

namespace bmc::test::history
{
namespace
{

TEST(History, IsLinearizable)
{
    require_root();
    if (IsSkipped() || HasFatalFailure())
        return;

    Rig rig({});
    const Workload workload = {.operations = 1'000'000, .seed = seed()};
    const Outcome outcome = run(rig, workload);
    const History::Verdict verdict = judge_and_report("history", workload, outcome);

    EXPECT_EQ(verdict.violations, 0U);
    for (const std::string &message : verdict.messages)
        ADD_FAILURE() << message;
    EXPECT_EQ(outcome.readers.lost, 0U);
    EXPECT_EQ(outcome.writers.lost, 0U);
    // Otherwise it shows nothing.
    EXPECT_GT(kernel_share(outcome), 20);
    EXPECT_GT(outcome.evictions, 1000U);
    EXPECT_GT(count(outcome.counters, "evict_keys"), 1000U);
    EXPECT_GT(count(outcome.counters, "hit_absent_keys"), 0U);
    EXPECT_LT(verdict.numbers_assumed, verdict.operations / 10);
}

} // namespace
} // namespace bmc::test::history
