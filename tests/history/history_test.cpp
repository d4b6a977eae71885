// SPDX-License-Identifier: BSD-3-Clause
//
// Many clients, every command, hot keys, constant eviction in memcached and in
// the cache: what each client saw must have an order that explains it.

#include <gtest/gtest.h>

#include "tests/e2e/fixture.h"
#include "tests/harness/client.h"
#include "tests/harness/wait.h"
#include "tests/history/workload.h"

namespace bmc::test::history
{
namespace
{

/// Runs the workload and expects a right history with every request answered.
void expect_right(const char *name, Rig &rig, const Workload &workload, Outcome &outcome,
                  const std::function<void(const Progress &)> &meanwhile = {})
{
    outcome = run(rig, workload, meanwhile);
    const History::Verdict verdict = judge_and_report(name, workload, outcome);

    EXPECT_EQ(verdict.violations, 0U);
    for (const std::string &message : verdict.messages)
        ADD_FAILURE() << message;
    EXPECT_EQ(outcome.readers.lost, 0U);
    EXPECT_EQ(outcome.writers.lost, 0U);
    // Otherwise it shows nothing.
    EXPECT_GT(kernel_share(outcome), 20);
    EXPECT_LT(verdict.numbers_assumed, verdict.operations / 10);
}

/// Has memcached's crawler remove expired and flushed items all the time. (The
/// page mover works by itself: with `slabs reassign -1 N`, memcached 1.6.38 itself
/// soon dies under load.)
void crawl(const Rig &rig, const Progress &progress, std::size_t operations)
{
    constexpr std::size_t every = 5000; // operations
    TcpClient client(rig.lab().client(), {Lab::server4});

    for (std::size_t next = every; next < operations; next += every) {
        wait_until("the clients go on", [&] { return progress() >= next; });
        client.ask("lru_crawler crawl all\r\n"); // refused while one is under way
    }
}

TEST(History, IsLinearizable)
{
    require_root();
    if (IsSkipped() || HasFatalFailure())
        return;
    Rig rig({});
    const Workload workload = {.operations = 1'500'000, .seed = seed()};
    Outcome outcome;

    expect_right("history", rig, workload, outcome,
                 [&](const Progress &progress) { crawl(rig, progress, workload.operations); });
    EXPECT_GT(outcome.evictions, 1000U);
    EXPECT_GT(rig.origin_statistic("lru_crawler_starts"), 0U);
    EXPECT_GT(count(outcome.counters, "evict_keys"), 1000U);
    EXPECT_GT(count(outcome.counters, "hit_absent_keys"), 0U);
}

// What the broken builds are run with.

TEST(History, IsLinearizableOnFewKeys)
{
    require_root();
    if (IsSkipped() || HasFatalFailure())
        return;
    Rig rig({});
    Workload workload = race();
    Outcome outcome;

    workload.operations = 500'000;
    workload.seed = seed();
    expect_right("few keys", rig, workload, outcome);
}

TEST(History, FlushesAreComplete)
{
    require_root();
    if (IsSkipped() || HasFatalFailure())
        return;
    // Each flush leaves most keys absent, which takes as many grants.
    Rig rig({.memory = "4M", .segmented_lru = false});
    Workload workload = flushes();
    Outcome outcome;

    workload.operations = 500'000;
    workload.seed = seed();
    expect_right("flushes", rig, workload, outcome);
    EXPECT_GT(count(outcome.counters, "rx_miss_generation"), 0U);
}

} // namespace
} // namespace bmc::test::history
