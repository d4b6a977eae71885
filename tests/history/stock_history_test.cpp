// SPDX-License-Identifier: BSD-3-Clause
//
// The same clients, and the same judge, with the memcached that Debian has: under what is
// assumed of it, what each client saw must have an order that explains it too.

#include <gtest/gtest.h>

#include "tests/e2e/fixture.h"
#include "tests/history/workload.h"

namespace bmc::test::history
{
namespace
{

TEST(StockHistory, IsLinearizableUnderItsAssumption)
{
    require_root();
    if (IsSkipped() || HasFatalFailure())
        return;
    /*
     * A key is cached only when it was not written for the guard time: so there are many
     * keys, mostly read. memcached has room for all: one that it evicts is answered by the
     * kernel until it is refreshed, which is not wrong to its users but to the judge.
     */
    Rig rig({.memory = "16M",
             .memcached_megabytes = "256",
             .foreground = true,
             .stock_guard = "1"});
    const Workload workload = {.keys = {.hot = 1000,
                                        .cold = 2000,
                                        .hot_percent = 60,
                                        .multi_gets = false},
                               .mix = {.reads = 990, .flushes = 0},
                               .udp_writers = 0,
                               .operations = 600'000,
                               .seed = seed()};
    const Outcome outcome = run(rig, workload);
    const History::Verdict verdict = judge_and_report("stock history", workload, outcome);

    EXPECT_EQ(verdict.violations, 0U);
    for (const std::string &message : verdict.messages)
        ADD_FAILURE() << message;
    EXPECT_EQ(outcome.readers.lost, 0U);
    EXPECT_EQ(outcome.writers.lost, 0U);
    EXPECT_EQ(outcome.evictions, 0U);
    EXPECT_GT(count(outcome.counters, "follow_writes"), 1000U);
    EXPECT_EQ(count(outcome.counters, "follow_untracked"), 0U);
    // Otherwise it shows nothing.
    EXPECT_GT(kernel_share(outcome), 10);
}

} // namespace
} // namespace bmc::test::history
