// SPDX-License-Identifier: BSD-3-Clause
//
// `bmc run`: attach, watch, detach.

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "bmc/abi/layout.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/origin.h"
#include "bmc/lib/pins.h"
#include "tests/harness/cache.h"
#include "tests/harness/notify_socket.h"
#include "tests/harness/origin.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"
#include "tests/loader/fixture.h"
#include "tests/loader/kernel_state.h"
#include "tests/loader/stand_in_origin.h"

namespace bmc::test
{
namespace
{

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

class Run : public LoaderTest
{
  protected:
    std::string instance() const { return lab().name() + "-run"; }
    std::string pins() const { return instance_folder(BMC_PIN_ROOT, instance()); }

    std::vector<std::string> arguments(const std::string &command,
                                       const std::vector<std::string> &more = {}) const
    {
        std::vector<std::string> all = {program_path("bmc"), command, "--interface", Lab::interface,
                                        "--memory",          "1M",    "--instance",  instance()};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }

    /// Starts `bmc run` and waits until it has attached.
    Process start(const std::vector<std::string> &more = {}) const
    {
        Process run(arguments("run", more), &server());

        wait_for(run, "start the origin with");
        return run;
    }

    /// Waits until the process has printed this.
    static void wait_for(Process &process, const std::string &text)
    {
        wait_until("bmc run says \"" + text + "\"", [&] {
            return process.out().find(text) != std::string::npos || !process.running();
        });
        EXPECT_THAT(process.out(), HasSubstr(text)) << process.err();
    }

    /// Whether a process has a pidfd of another.
    static bool watches(pid_t watcher, pid_t watched)
    {
        std::error_code code;
        const auto folder = fmt::format("/proc/{}/fdinfo", watcher);

        for (const auto &entry : std::filesystem::directory_iterator(folder, code)) {
            std::ifstream file(entry.path());
            for (std::string line; std::getline(file, line);)
                if (line == fmt::format("Pid:\t{}", watched))
                    return true;
        }
        return false;
    }

    void expect_working() const
    {
        ASSERT_TRUE(exists(pins()));
        EXPECT_EQ(xdp_program(server(), Lab::interface),
                  program_id(pins() + "/programs/rx_filter"));
        expect_tc_links();
    }

    void expect_tc_links() const
    {
        EXPECT_THAT(tcx_programs(server(), Lab::interface, TcDirection::ingress),
                    testing::ElementsAre(program_id(pins() + "/programs/skb_rx_filter")));
        EXPECT_THAT(tcx_programs(server(), Lab::interface, TcDirection::egress),
                    testing::ElementsAre(program_id(pins() + "/programs/tx_filter")));
    }

    void expect_gone() const
    {
        EXPECT_FALSE(exists(pins()));
        expect_untouched(server(), Lab::interface);
    }

    void detach() const
    {
        const test::Result result = run_bmc({"detach", "--instance", instance()});

        EXPECT_EQ(result.status, 0) << result.err;
        expect_gone();
    }
};

TEST_F(Run, SignalDetaches)
{
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
        Process run = start();
        expect_working();
        run.signal(signal);

        EXPECT_EQ(run.wait(), 0);
        EXPECT_EQ(run.err(), "");
        EXPECT_THAT(run.out(), EndsWith(fmt::format("detached '{}'\n", instance())));
        expect_gone();
    }
}

TEST_F(Run, WorksWithoutXdp)
{
    Process run = start({"--mode", "tc"});
    EXPECT_EQ(xdp_program(server(), Lab::interface), 0U);
    expect_tc_links();
    run.signal(SIGTERM);

    EXPECT_EQ(run.wait(), 0);
    EXPECT_THAT(run.out(), HasSubstr("TC without XDP"));
    expect_gone();
}

TEST_F(Run, PrintsWhatAttachPrints)
{
    const test::Result attached = bmc::test::run(arguments("attach"), &server());
    detach();
    Process run = start();
    run.signal(SIGTERM);

    EXPECT_EQ(run.wait(), 0);
    EXPECT_EQ(run.out(), attached.out + fmt::format("detached '{}'\n", instance()));
}

TEST_F(Run, KeepLeavesItAttached)
{
    Process run = start({"--keep"});
    run.signal(SIGTERM);

    EXPECT_EQ(run.wait(), 0);
    EXPECT_THAT(run.out(), HasSubstr("bmc detach --instance " + instance()));
    expect_working();
    detach();
}

TEST_F(Run, KilledLeavesItWorking)
{
    Process run = start();
    run.signal(SIGKILL);
    run.wait();
    expect_working();

    /* The next takes it over, and detaches it at the end. */
    const uint32_t killed = program_id(pins() + "/programs/rx_filter");
    Process again = start();
    EXPECT_THAT(again.out(), HasSubstr(fmt::format("upgraded '{}'", instance())));
    EXPECT_NE(program_id(pins() + "/programs/rx_filter"), killed);
    expect_working();
    again.signal(SIGTERM);
    EXPECT_EQ(again.wait(), 0);
    expect_gone();
}

TEST_F(Run, SecondOfTheNameIsRefused)
{
    Process run = start();
    const uint32_t before = program_id(pins() + "/programs/rx_filter");
    const test::Result second = bmc::test::run(arguments("run"), &server());

    EXPECT_EQ(second.status, 1);
    EXPECT_EQ(second.out, "");
    EXPECT_EQ(second.err, fmt::format("bmc: cannot run the instance '{}': another `bmc run` does; "
                                      "end that, give another --instance, or upgrade it with `bmc "
                                      "attach`\n",
                                      instance()));
    EXPECT_EQ(program_id(pins() + "/programs/rx_filter"), before);
    expect_working();
    run.signal(SIGTERM);
    EXPECT_EQ(run.wait(), 0);
    expect_gone();
}

/* As a reload of the unit does. */
TEST_F(Run, AttachBesideItUpgrades)
{
    Process run = start();
    const StandInOrigin origin(pins());
    wait_for(run, fmt::format("origin with pid {} started\n", origin.pid()));
    const uint32_t before = program_id(pins() + "/programs/rx_filter");
    const test::Result upgrade = bmc::test::run(arguments("attach"), &server());

    EXPECT_EQ(upgrade.status, 0) << upgrade.err;
    EXPECT_THAT(upgrade.out,
                AllOf(HasSubstr(fmt::format("upgraded '{}'", instance())),
                      HasSubstr("0 entries of the cache were kept"),
                      HasSubstr(fmt::format("memcached-sr with pid {} goes on", origin.pid()))));
    EXPECT_NE(program_id(pins() + "/programs/rx_filter"), before);
    expect_working();
    EXPECT_TRUE(run.running());
    run.signal(SIGTERM);
    EXPECT_EQ(run.wait(), 0);
    expect_gone();
}

TEST_F(Run, OriginsAreReported)
{
    Process run = start();
    {
        StandInOrigin origin(pins());
        wait_for(run, fmt::format("origin with pid {} started\n", origin.pid()));
        const pid_t pid = origin.pid();
        origin.kill();
        wait_for(run, fmt::format("origin with pid {} ended\n", pid));
    }
    const StandInOrigin next(pins());
    wait_for(run, fmt::format("origin with pid {} started\n", next.pid()));
    run.signal(SIGTERM);

    EXPECT_EQ(run.wait(), 0);
    EXPECT_EQ(run.err(), "");
    EXPECT_THAT(run.out(), EndsWith(fmt::format(
                               "detached '{}'\nmemcached-sr with pid {} goes on without the cache; "
                               "after the next attach, restart it\n",
                               instance(), next.pid())));
    expect_gone();
}

/* Its pid is 1 there; that pid here is somebody else. */
TEST_F(Run, OriginOfAnotherPidNamespaceIsReported)
{
    Process run = start();
    StandInOrigin origin(pins(), StandInOrigin::Pids::own_namespace);

    wait_for(run, "origin with pid 1 started; it is not seen from here");
    const test::Result second = bmc::test::run(arguments("attach"), &server());
    EXPECT_THAT(second.out, HasSubstr("pid 1 (not seen from here"));
    origin.kill();
    wait_for(run, "origin with pid 1 ended\n");
    const StandInOrigin next(pins(), StandInOrigin::Pids::own_namespace);
    wait_for(run, "origin with pid 1 started\n");
    run.signal(SIGTERM);
    EXPECT_EQ(run.wait(), 0);
}

TEST_F(Run, DetachBySomebodyElseEndsIt)
{
    Process run = start();
    detach();

    EXPECT_EQ(run.wait(), 1);
    EXPECT_EQ(run.err(), fmt::format("bmc: cannot find the instance '{}': somebody else has "
                                     "detached it meanwhile\n",
                                     instance()));
}

/* Another of the same name in its place is not ours, whatever comes first: the
   look at the folder or the signal. */
TEST_F(Run, AnotherInstanceOfTheNameIsLeftAlone)
{
    for (const bool signal : {false, true}) {
        Process run = start();
        detach();
        ASSERT_EQ(bmc::test::run(arguments("attach"), &server()).status, 0);
        if (signal && run.running())
            run.signal(SIGTERM);

        EXPECT_EQ(run.wait(), 1);
        EXPECT_THAT(run.err(), HasSubstr("somebody else has detached it"));
        expect_working();
        detach();
    }
}

/* Nobody may be there to read; it does its work to the end all the same. */
TEST_F(Run, LostOutputIsAnErrorAtTheEnd)
{
    std::vector<std::string> all = {"sh", "-c", "exec \"$0\" \"$@\" >/dev/full"};
    const auto bmc = arguments("run");
    all.insert(all.end(), bmc.begin(), bmc.end());
    Process run(all, &server());
    wait_until("bmc run has attached", [&] { return exists(pins()) || !run.running(); });
    expect_working();
    run.signal(SIGTERM);

    EXPECT_EQ(run.wait(), 1);
    EXPECT_THAT(run.err(), HasSubstr("standard output"));
    expect_gone();
}

TEST_F(Run, ClosedPipeDoesNotEndIt)
{
    std::vector<std::string> all = {"sh", "-c",
                                    "sh -c 'echo $$ >&2; exec \"$0\" \"$@\"' \"$0\" \"$@\" | "
                                    "{ read line; exec <&-; echo closed >&2; }"};
    const auto bmc = arguments("run");
    all.insert(all.end(), bmc.begin(), bmc.end());
    Process shell(all, &server());
    wait_until("the reader has gone",
               [&] { return shell.err().find("closed") != std::string::npos || !shell.running(); });
    const pid_t pid = std::stoi(shell.err());

    /* Of which it says something. */
    const StandInOrigin origin(pins());
    wait_until("bmc run watches the origin", [&] { return watches(pid, origin.pid()); });
    expect_working();
    ASSERT_EQ(::kill(pid, SIGTERM), 0);
    shell.wait();
    EXPECT_THAT(shell.err(), HasSubstr("standard output"));
    expect_gone();
}

/* What is attached would go with it, and answer there. */
TEST_F(Run, InterfaceThatMovesIsDetachedFrom)
{
    const ExtraInterface extra(server(), "extra0");
    run_checked({"ip", "address", "add", "10.78.0.1/24", "dev", extra.name()}, &server());
    Process run = start({extra.name()});
    ASSERT_NE(xdp_program(server(), extra.name()), 0U);
    EXPECT_EQ(run.out().find("is gone"), std::string::npos);
    run_checked({"ip", "link", "set", extra.name(), "netns", lab().name() + "-client"}, &server());

    wait_for(run, extra.name() + " is gone, or in another network namespace");
    EXPECT_EQ(xdp_program(lab().client(), extra.name()), 0U);
    for (const TcDirection direction : {TcDirection::ingress, TcDirection::egress})
        EXPECT_TRUE(tcx_programs(lab().client(), extra.name(), direction).empty());
    expect_working();
    run_checked({"ip", "link", "delete", extra.name()}, &lab().client());
    run.signal(SIGTERM);
    EXPECT_EQ(run.wait(), 0);
    EXPECT_EQ(run.err(), "");
    expect_gone();
}

TEST_F(Run, TellsTheServiceManager)
{
    /* Abstract names belong to a network namespace: bmc is in that of the lab. */
    std::optional<NotifySocket> abstract;
    const std::string file = fmt::format("{}bmc-notify-{}", testing::TempDir(), getpid());
    const std::string name = "@" + lab().name();
    const NotifySocket named(file);
    server().enter([&] { abstract.emplace(name); });

    for (const auto &[address, socket] :
         {std::pair<std::string, const NotifySocket *>{file, &named}, {name, &*abstract}}) {
        std::vector<std::string> all = {"env", "NOTIFY_SOCKET=" + address};
        const auto bmc = arguments("run");
        all.insert(all.end(), bmc.begin(), bmc.end());
        Process run(all, &server());
        std::string state;
        wait_until("bmc run is ready", [&, from = socket] {
            return !(state = from->next()).empty() || !run.running();
        });
        EXPECT_EQ(state, "READY=1\nSTATUS=attached; waiting for memcached-sr");
        expect_working();
        {
            const StandInOrigin origin(pins());
            wait_until("bmc run has seen the origin", [&, from = socket] {
                return !(state = from->next()).empty() || !run.running();
            });
            EXPECT_EQ(state, fmt::format("STATUS=attached; memcached-sr has pid {}", origin.pid()));
        }
        wait_until("bmc run has seen its end", [&, from = socket] {
            return !(state = from->next()).empty() || !run.running();
        });
        EXPECT_EQ(state, "STATUS=attached; waiting for memcached-sr");
        run.signal(SIGTERM);
        EXPECT_EQ(run.wait(), 0);
        EXPECT_EQ(socket->next(), "STOPPING=1\nSTATUS=");
    }
}

/* An origin that is there is told from the pid that a killed one has left. */
TEST_F(Run, WatchSeesEveryOrigin)
{
    ASSERT_TRUE(attach_in(server(), options()));
    auto watch = OriginWatch::open(folder(options()));
    ASSERT_TRUE(watch);
    using Change = OriginWatch::Change;

    EXPECT_EQ(*watch->look(), Change::none);
    EXPECT_EQ(watch->wakeup(), -1);
    for (int i = 0; i < 3; i++) {
        StandInOrigin origin(folder(options()));
        EXPECT_EQ(*watch->look(), Change::started);
        EXPECT_EQ(watch->origin().pid, static_cast<uint32_t>(origin.pid()));
        EXPECT_NE(watch->wakeup(), -1);
        EXPECT_EQ(*watch->look(), Change::none);
        origin.kill();
        /* The third starts before the end of the second is seen. */
        std::optional<StandInOrigin> next;
        if (i == 1)
            next.emplace(folder(options()));
        EXPECT_EQ(*watch->look(), Change::ended);
        EXPECT_EQ(*watch->look(), next ? Change::started : Change::none);
        if (next) {
            next->kill();
            EXPECT_EQ(*watch->look(), Change::ended);
        }
        EXPECT_EQ(*watch->look(), Change::none);
    }
    ASSERT_TRUE(detach_in(server(), options()));
}

TEST_F(Run, RealOriginIsReported)
{
    Process run = start();
    std::optional<bmc::test::Origin> origin(std::in_place, server(),
                                            bmc::test::Origin::Options{.pins = pins()});
    wait_for(run, fmt::format("origin with pid {} started\n", origin->process().pid()));
    const pid_t killed = origin->process().pid();
    origin->kill();
    wait_for(run, fmt::format("origin with pid {} ended\n", killed));

    origin.emplace(server(), bmc::test::Origin::Options{.pins = pins()});
    const pid_t stopped = origin->process().pid();
    wait_for(run, fmt::format("origin with pid {} started\n", stopped));
    origin->stop();
    wait_for(run, fmt::format("origin with pid {} ended\n", stopped));

    origin.emplace(server(), bmc::test::Origin::Options{.pins = pins()});
    wait_for(run, fmt::format("origin with pid {} started\n", origin->process().pid()));
    run.signal(SIGTERM);
    EXPECT_EQ(run.wait(), 0);
    EXPECT_THAT(run.out(), HasSubstr(fmt::format("pid {} goes on without the cache",
                                                 origin->process().pid())));
    EXPECT_TRUE(origin->process().running());
    expect_gone();
}

} // namespace
} // namespace bmc::test
