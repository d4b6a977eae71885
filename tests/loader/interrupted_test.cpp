// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "bmc/lib/features.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/stats.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"
#include "tests/loader/interrupted.h"
#include "tests/loader/kernel_state.h"
#include "tests/loader/stand_in_origin.h"

namespace bmc::test
{
namespace
{

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

/* Row 28: an attach that was killed anywhere stands in the way of nothing. */
TEST_P(Interrupted, Row28AttachAfterAKilledAttach)
{
    int steps = 1;
    for (; attach_killed_after(steps, wanted()); steps++) {
        const auto attached = attach_in(server(), wanted());

        ASSERT_TRUE(attached) << "after step " << steps << ": " << attached.error().line();
        EXPECT_THAT(attached->notes, ElementsAre(HasSubstr("interrupted")));
        expect_attached(server(), wanted());
        ASSERT_TRUE(detach_in(server(), wanted()));
        expect_untouched(server(), Lab::interface);
    }
    EXPECT_GE(steps, 8) << "attach reports its steps";
    ASSERT_TRUE(detach_in(server(), wanted()));
}

/* Row 29: so does detach. */
TEST_P(Interrupted, Row29DetachAfterAKilledAttach)
{
    int steps = 1;
    for (; attach_killed_after(steps, wanted()); steps++) {
        const auto detached = detach_in(server(), wanted());

        ASSERT_TRUE(detached) << "after step " << steps << ": " << detached.error().line();
        EXPECT_THAT(detached->notes, ElementsAre(HasSubstr("interrupted")));
        expect_untouched(server(), Lab::interface);
        ASSERT_FALSE(exists(pin_root_));
    }
    EXPECT_GE(steps, 8) << "attach reports its steps";
    ASSERT_TRUE(detach_in(server(), wanted()));
}

/* Row 29: an attach that is asked to stop undoes what it did. */
TEST_P(Interrupted, Row29StoppedAttachLeavesNothing)
{
    for (int steps = 1;; steps++) {
        AttachOptions stopped = wanted();
        int left = steps;
        stopped.progress = [&left](std::string_view) { return --left > 0; };
        const auto attached = attach_in(server(), stopped);

        if (attached) {
            EXPECT_GE(steps, 8) << "attach reports its steps";
            break;
        }
        EXPECT_EQ(attached.error().code, EINTR);
        expect_untouched(server(), Lab::interface);
        ASSERT_FALSE(exists(pin_root_)) << "step " << steps;
    }
    ASSERT_TRUE(detach_in(server(), wanted()));
}

/* A detach that was killed is finished by the next command, whichever it is. */
TEST_P(Interrupted, KilledDetachIsFinished)
{
    for (const bool attach_next : {true, false}) {
        int steps = 1;
        ASSERT_TRUE(attach_in(server(), wanted()));
        for (; detach_killed_after(steps, wanted()); steps++) {
            SCOPED_TRACE(fmt::format("after step {}", steps));
            EXPECT_FALSE(exists(folder(wanted())));
            if (attach_next) {
                const auto again = attach_in(server(), wanted());
                ASSERT_TRUE(again) << again.error().line();
                EXPECT_THAT(again->notes, ElementsAre(HasSubstr("interrupted")));
                EXPECT_FALSE(again->kept);
                expect_attached(server(), wanted());
                continue;
            }
            const auto detached = detach_in(server(), wanted());
            ASSERT_TRUE(detached) << detached.error().line();
            EXPECT_THAT(detached->notes, ElementsAre(HasSubstr("interrupted")));
            expect_untouched(server(), Lab::interface);
            ASSERT_FALSE(exists(pin_root_));
            ASSERT_TRUE(attach_in(server(), wanted()));
        }
        EXPECT_GE(steps, 10) << "detach reports its steps";
        expect_untouched(server(), Lab::interface);
        ASSERT_FALSE(exists(pin_root_));
    }
}

/* The origin of an instance whose detach was killed does not hold the name. */
TEST_P(Interrupted, KilledDetachUnderALivingOrigin)
{
    ASSERT_TRUE(attach_in(server(), wanted()));
    const StandInOrigin origin(folder(wanted()));
    const std::string rest = detaching_folder(pin_root_, wanted().instance);
    ASSERT_EQ(std::rename(folder(wanted()).c_str(), rest.c_str()), 0);
    ASSERT_TRUE(origin_holds(rest));

    const auto attached = attach_in(server(), wanted());
    ASSERT_TRUE(attached) << attached.error().line();
    EXPECT_THAT(attached->notes,
                ElementsAre(HasSubstr("goes on without the cache"),
                            HasSubstr(fmt::format("with pid {} is the origin", origin.pid()))));
    EXPECT_FALSE(origin_holds(folder(wanted())));
    const auto stats = read_stats(wanted().instance, wanted().pin_root);
    ASSERT_TRUE(stats) << stats.error().line();
    EXPECT_FALSE(stats->origin_alive);
    ASSERT_TRUE(detach_in(server(), wanted()));
}

INSTANTIATE_TEST_SUITE_P(, Interrupted,
                         testing::Values(Way{ModeChoice::native, TcChoice::tcx},
                                         Way{ModeChoice::native, TcChoice::clsact},
                                         Way{ModeChoice::tc, TcChoice::tcx},
                                         Way{ModeChoice::tc, TcChoice::clsact}),
                         way_name);

class Leftovers : public Interrupted
{
};

/* A filter in another network namespace is out of reach, and is not forgotten. */
TEST_P(Leftovers, FilterOfAKilledAttachInAnotherNamespace)
{
    int steps = 1;
    while (tc_filters(server(), Lab::interface, TcDirection::ingress).empty()) {
        ASSERT_TRUE(attach_killed_after(steps++, wanted()));
        if (tc_filters(server(), Lab::interface, TcDirection::ingress).empty()) {
            ASSERT_TRUE(detach_in(server(), wanted()));
        }
    }

    /* The client's interface is busy with another XDP program: use loopback. */
    AttachOptions same = wanted();
    same.interfaces = {"lo"};
    const auto refused = attach_in(lab().client(), same);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), HasSubstr("another network namespace"));

    AttachOptions other = same;
    other.instance = "other";
    const auto attached = attach_in(lab().client(), other);
    ASSERT_TRUE(attached) << attached.error().line();
    EXPECT_THAT(attached->notes, Contains(HasSubstr("another network namespace")));
    ASSERT_TRUE(detach_in(lab().client(), other));

    ASSERT_TRUE(detach_in(server(), wanted()));
}

INSTANTIATE_TEST_SUITE_P(, Leftovers,
                         testing::Values(Way{ModeChoice::automatic, TcChoice::clsact},
                                         Way{ModeChoice::tc, TcChoice::clsact}),
                         way_name);

class EndSignal : public LoaderTest
{
  protected:
    /// Whether the process waits for a lock, as /proc/locks tells.
    static bool waits_for_lock(pid_t pid)
    {
        std::ifstream file("/proc/locks");
        const std::string id = std::to_string(pid);

        for (std::string line; std::getline(file, line);)
            if (line.find("->") != std::string::npos &&
                line.find(" " + id + " ") != std::string::npos)
                return true;
        return false;
    }
};

/* Row 29: SIGTERM, SIGINT and SIGHUP end the command, with nothing attached. */
TEST_F(EndSignal, Row29EndsAnAttachThatWaits)
{
    for (const auto &[command, signal] : {std::pair{"attach", SIGTERM}, std::pair{"attach", SIGINT},
                                          std::pair{"attach", SIGHUP}, std::pair{"run", SIGTERM}}) {
        const std::string name = lab().name() + "-signal";
        const auto lock = PinRoot::lock(BMC_PIN_ROOT, PinRoot::Missing::create);
        ASSERT_TRUE(lock) << lock.error().line();
        Process attach({program_path("bmc"), command, "--interface", Lab::interface, "--instance",
                        name, "--memory", "1M"},
                       &server());
        wait_until("bmc waits for the lock", [&] { return waits_for_lock(attach.pid()); });
        attach.signal(signal);

        EXPECT_EQ(attach.wait(), 1);
        EXPECT_THAT(attach.err(), HasSubstr("another bmc is at work"));
        expect_untouched(server(), Lab::interface);
        EXPECT_FALSE(exists(BMC_PIN_ROOT "/" + name));
    }
}

} // namespace
} // namespace bmc::test
