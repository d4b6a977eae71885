// SPDX-License-Identifier: BSD-3-Clause
//
// SIGKILL at random moments under load: of memcached-sr, of `bmc run` while it
// watches, while it attaches and while it upgrades. The history stays right, the kernel answers
// again, and requests are lost only while memcached-sr is away.

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/e2e/fixture.h"
#include "tests/harness/wait.h"
#include "tests/history/workload.h"

namespace bmc::test::history
{
namespace
{

constexpr std::chrono::milliseconds patience{1000};
constexpr std::size_t operations = 200'000;

/// A workload under which things are killed.
class Kills : public testing::Test
{
  protected:
    void SetUp() override { require_root(); }

    /// Returns when the clients have done some more operations.
    void let_run(const Progress &progress)
    {
        const std::size_t until = progress() + 1000 + random_() % 20'000;

        wait_until("the clients go on", [&] { return progress() >= until; });
    }

    static void expect_hits(const Rig &rig)
    {
        const std::uint64_t before = count(rig.counters(), "hit");

        wait_until("the kernel answers", [&] { return count(rig.counters(), "hit") > before; });
    }

    void restart_origin(Rig &rig)
    {
        restarts_.push_back(rig.restart_origin());
        expect_hits(rig);
    }

    void expect_right(const char *name, Rig &rig,
                      const std::function<void(const Progress &)> &meanwhile)
    {
        // With many keys, so that most are not written anew at once after a restart.
        const Workload workload = {
            .operations = operations, .seed = random_(), .patience = patience};
        std::printf("%s: seed %llu\n", name, static_cast<unsigned long long>(seed_));
        Outcome outcome = run(rig, workload, meanwhile);
        for (const Interval &restart : restarts_)
            outcome.history.restarted(restart);
        const History::Verdict verdict = judge_and_report(name, workload, outcome);

        EXPECT_EQ(verdict.violations, 0U);
        for (const std::string &message : verdict.messages)
            ADD_FAILURE() << message;
        EXPECT_GT(kernel_share(outcome), 5);
        expect_lost_only_meanwhile(outcome.readers, "get over UDP");
        expect_lost_only_meanwhile(outcome.writers, "command of a writer");
    }

    /// Every loss falls into the time of a restart.
    void expect_lost_only_meanwhile(const Tally &tally, const char *what) const
    {
        for (const Interval &loss : tally.losses) {
            const bool excused =
                std::any_of(restarts_.begin(), restarts_.end(), [&](const Interval &restart) {
                    return loss.start < restart.end && restart.start < loss.end;
                });
            if (!excused)
                ADD_FAILURE() << "a " << what << " was lost while memcached-sr was there";
        }
    }

    std::uint64_t seed_ = seed();
    Random random_{seed_};
    std::vector<Interval> restarts_;
};

TEST_F(Kills, Origin)
{
    constexpr int kills = 8;
    Rig rig({});

    expect_right("SIGKILL of memcached-sr", rig, [&](const Progress &progress) {
        for (int i = 0; i < kills; i++) {
            let_run(progress);
            restart_origin(rig);
        }
        let_run(progress);
    });
}

TEST_F(Kills, Run)
{
    constexpr int kills = 4;
    constexpr unsigned long attach_us = 400'000; // about as long as it takes
    Rig rig({.foreground = true});

    expect_right("SIGKILL of bmc run", rig, [&](const Progress &progress) {
        for (int i = 0; i < kills; i++) {
            let_run(progress);
            rig.kill_run();
            // Nobody has to live for gets to be answered.
            expect_hits(rig);
            let_run(progress);
            rig.detach();
            rig.start_and_kill_run(std::chrono::microseconds(random_() % attach_us));
            // It may not have come so far that there is something to detach.
            (void)rig.bmc("detach");
            rig.attach();
            // That is another instance: its origin is to be started.
            let_run(progress);
            restart_origin(rig);
        }
        let_run(progress);
    });
}

/* Nothing ends here but upgrades, so nothing may be lost. */
TEST_F(Kills, Upgrade)
{
    constexpr int upgrades = 6;
    constexpr unsigned long upgrade_us = 400'000; // about as long as it takes
    Rig rig({});

    expect_right("upgrades, and SIGKILL of some", rig, [&](const Progress &progress) {
        for (int i = 0; i < upgrades; i++) {
            let_run(progress);
            rig.attach();
            expect_hits(rig);
            let_run(progress);
            rig.start_and_kill_run(std::chrono::microseconds(random_() % upgrade_us));
            expect_hits(rig);
        }
        let_run(progress);
    });
}

} // namespace
} // namespace bmc::test::history
