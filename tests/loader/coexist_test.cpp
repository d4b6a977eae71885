// SPDX-License-Identifier: BSD-3-Clause
#include <regex>
#include <string>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <linux/if_link.h>

#include "bmc/abi/counters.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/stats.h"
#include "bmc/lib/xdp.h"
#include "tests/harness/error.h"
#include "tests/harness/wait.h"
#include "tests/loader/fixture.h"
#include "tests/loader/kernel_state.h"

namespace bmc::test
{
namespace
{

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Coexist : public LoaderTest
{
};

/// Beside foreign programs of one side of TC.
class CoexistAtTc : public LoaderTest, public testing::WithParamInterface<TcDirection>
{
  protected:
    /// Without XDP at ingress: our program there looks at every packet then.
    AttachOptions wanted(TcChoice tc) const
    {
        return options({ingress() ? ModeChoice::tc : ModeChoice::automatic, tc});
    }

    static bool ingress() { return GetParam() == TcDirection::ingress; }

    static const char *our_program() { return ingress() ? "skb_rx_filter" : "tx_filter"; }

    static std::string filters() { return tc_filters(server(), Lab::interface, GetParam()); }

    static std::vector<uint32_t> links()
    {
        return tcx_programs(server(), Lab::interface, GetParam());
    }

    /// Sends packets until both programs have seen one.
    static void expect_both_run(const CountingProgram &foreign, const AttachOptions &options)
    {
        const bmc_counter counter = ingress() ? BMC_COUNTER_rx_requests : BMC_COUNTER_tx_replies;
        const auto ours = [&options, counter] {
            const auto stats = read_stats(options.instance, options.pin_root);
            return stats ? (*stats)[counter] : 0;
        };
        const uint64_t ours_before = ours();
        const uint64_t foreign_before = foreign.count();

        wait_until("both programs see a packet", [&] {
            ingress() ? send_to_server(lab()) : send_from_server(lab());
            return ours() > ours_before && foreign.count() > foreign_before;
        });
    }
};

INSTANTIATE_TEST_SUITE_P(, CoexistAtTc, testing::Values(TcDirection::ingress, TcDirection::egress),
                         [](const auto &side) { return direction_name(side.param); });

TEST_F(Coexist, AnotherXdpProgramIsLeftAloneAndNamed)
{
    const Fd foreign = load_xdp_pass();
    for (const uint32_t flags : {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE}) {
        const Fd link = attach_foreign_xdp(server(), Lab::interface, foreign.get(), flags);
        for (const ModeChoice mode :
             {ModeChoice::automatic, ModeChoice::native, ModeChoice::generic}) {
            AttachOptions wanted = options();
            wanted.mode = mode;
            const auto refused = attach_in(server(), wanted);

            ASSERT_FALSE(refused);
            EXPECT_THAT(refused.error().line(),
                        AllOf(HasSubstr(Lab::interface), HasSubstr("another XDP program"),
                              HasSubstr(std::to_string(program_id(foreign.get())))));
            EXPECT_EQ(xdp_program(server(), Lab::interface), program_id(foreign.get()));
            EXPECT_FALSE(exists(wanted.pin_root));
        }
    }
}

/* What fails half-way is undone: the first interface is free again. */
TEST_F(Coexist, SecondInterfaceTakenUndoesTheFirst)
{
    const ExtraInterface extra(server(), "extra0");
    const Fd foreign = load_xdp_pass();
    for (const TcChoice tc : {TcChoice::tcx, TcChoice::clsact}) {
        const Fd link =
            attach_foreign_xdp(server(), extra.name(), foreign.get(), XDP_FLAGS_DRV_MODE);
        AttachOptions wanted = options();
        wanted.interfaces = {Lab::interface, extra.name()};
        wanted.tc = tc;
        const auto refused = attach_in(server(), wanted);

        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().line(), HasSubstr(extra.name()));
        expect_untouched(server(), Lab::interface);
        EXPECT_EQ(xdp_program(server(), extra.name()), program_id(foreign.get()));
        EXPECT_FALSE(exists(wanted.pin_root));
    }
}

/* Without XDP of ours, that place is free for others. */
TEST_F(Coexist, AnotherXdpProgramIsNotInTheWayOfTc)
{
    const Fd foreign = load_xdp_pass();
    const Fd link = attach_foreign_xdp(server(), Lab::interface, foreign.get(), XDP_FLAGS_DRV_MODE);
    for (const TcChoice tc : {TcChoice::tcx, TcChoice::clsact}) {
        const AttachOptions wanted = options({ModeChoice::tc, tc});
        const auto attached = attach_in(server(), wanted);
        ASSERT_TRUE(attached) << attached.error().line();
        EXPECT_EQ(xdp_program(server(), Lab::interface), program_id(foreign.get()));
        ASSERT_TRUE(detach_in(server(), wanted));
        EXPECT_EQ(xdp_program(server(), Lab::interface), program_id(foreign.get()));
    }
}

/* A program that libxdp has attached (with its dispatcher, where the kernel takes
   extensions of programs) goes on with ours beside it, and stays when ours go. */
TEST_F(Coexist, ProgramOfLibxdpStillRuns)
{
    const std::string interface = Lab::interface;
    const auto dropped = [&] {
        /* The line of the discard port ends with the packets that met it. */
        const std::string shown = run_checked({"xdp-filter", "status"}, &server());
        std::smatch count;
        return std::regex_search(shown, count, std::regex("\\n +9 +src,udp +(\\d+)\n"))
                   ? std::stoull(count[1])
                   : 0;
    };
    const AttachOptions ours = options({ModeChoice::tc, TcChoice::tcx});
    const auto seen = [&ours] {
        return (*read_stats(ours.instance, ours.pin_root))[BMC_COUNTER_rx_requests];
    };

    run_checked({"xdp-filter", "load", "--mode", "native", "--policy", "allow", interface},
                &server());
    const uint32_t theirs = xdp_program(server(), interface);
    ASSERT_NE(theirs, 0U);
    EXPECT_FALSE(attach_in(server(), options()));
    const auto attached = attach_in(server(), ours);
    ASSERT_TRUE(attached) << attached.error().line();

    /* It lets our requests through, and then, asked to, drops them before we see them. */
    wait_until("a request comes to TC", [&] {
        send_to_server(lab());
        return seen() > 0;
    });
    run_checked({"xdp-filter", "port", "9", "--mode", "src", "--proto", "udp"}, &server());
    const uint64_t before = seen();
    wait_until("xdp-filter drops a request", [&] {
        send_to_server(lab());
        return dropped() > 0;
    });
    EXPECT_EQ(seen(), before);

    ASSERT_TRUE(detach_in(server(), ours));
    EXPECT_EQ(xdp_program(server(), interface), theirs);
    const uint64_t dropped_before = dropped();
    wait_until("xdp-filter drops another", [&] {
        send_to_server(lab());
        return dropped() > dropped_before;
    });
    run_checked({"xdp-filter", "unload", interface}, &server());
    rmdir("/sys/fs/bpf/xdp"); /* libxdp leaves it; if others use it, it is not empty */
}

TEST_P(CoexistAtTc, ForeignTcxProgramStillRuns)
{
    const CountingProgram foreign;
    const Fd link = attach_foreign_tcx(server(), Lab::interface, GetParam(), foreign.fd());
    const AttachOptions ours = wanted(TcChoice::tcx);
    ASSERT_TRUE(attach_in(server(), ours));

    EXPECT_THAT(links(),
                ElementsAre(program_id(programs_folder(folder(ours)) + "/" + our_program()),
                            program_id(foreign.fd())));
    expect_both_run(foreign, ours);

    ASSERT_TRUE(detach_in(server(), ours));
    EXPECT_THAT(links(), ElementsAre(program_id(foreign.fd())));
}

/* With XDP in front, what comes to TC ingress without its mark goes on too. */
TEST_F(Coexist, ForeignProgramBehindXdpStillRuns)
{
    const CountingProgram foreign;
    const Fd link =
        attach_foreign_tcx(server(), Lab::interface, TcDirection::ingress, foreign.fd());
    ASSERT_TRUE(attach_in(server(), options()));
    const uint64_t before = foreign.count();

    wait_until("the foreign program sees a packet", [&] {
        send_to_server(lab());
        return foreign.count() > before;
    });
    ASSERT_TRUE(detach_in(server(), options()));
}

TEST_P(CoexistAtTc, NoRoomForAnotherTcxProgramIsNamed)
{
    const std::vector<CountingProgram> programs(max_tcx_programs);
    std::vector<Fd> links;
    for (const CountingProgram &program : programs)
        links.push_back(attach_foreign_tcx(server(), Lab::interface, GetParam(), program.fd()));
    const AttachOptions ours = wanted(TcChoice::tcx);
    const auto refused = attach_in(server(), ours);

    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), AllOf(HasSubstr(direction_name(GetParam())),
                                              HasSubstr("63 programs"), HasSubstr("--tc clsact")));
    EXPECT_FALSE(exists(ours.pin_root));
}

/* A clsact qdisc and a filter that were there stay, and ours runs beside them. */
TEST_P(CoexistAtTc, ForeignClsactFilterStillRuns)
{
    const CountingProgram foreign;
    run_checked({"tc", "qdisc", "add", "dev", Lab::interface, "clsact"}, &server());
    attach_foreign_filter(server(), Lab::interface, GetParam(), foreign.fd(), 1);
    const std::string qdiscs = tc_qdiscs(server(), Lab::interface);
    const std::string before = filters();

    /* By TCX, which runs before all filters. */
    const AttachOptions tcx = wanted(TcChoice::tcx);
    ASSERT_TRUE(attach_in(server(), tcx));
    expect_both_run(foreign, tcx);
    ASSERT_TRUE(detach_in(server(), tcx));
    EXPECT_EQ(tc_qdiscs(server(), Lab::interface), qdiscs);
    EXPECT_EQ(filters(), before);

    const char *const side = direction_name(GetParam());
    run_checked({"tc", "filter", "del", "dev", Lab::interface, side}, &server());

    /* By a filter of our own, behind another whose classifier is of another kind. */
    attach_foreign_filter(server(), Lab::interface, GetParam(), foreign.fd(), 3);
    run_checked({"tc", "filter", "add", "dev", Lab::interface, side, "protocol", "all", "prio", "1",
                 "u32", "match", "u32", "0", "0", "flowid", "1:1"},
                &server());
    const std::string with_another = filters();
    const AttachOptions clsact = wanted(TcChoice::clsact);
    const auto attached = attach_in(server(), clsact);
    ASSERT_TRUE(attached) << attached.error().line();
    EXPECT_EQ(attached->record.interface[0].qdisc_added, 0U);
    expect_attached(server(), clsact);
    ASSERT_TRUE(detach_in(server(), clsact));
    EXPECT_EQ(tc_qdiscs(server(), Lab::interface), qdiscs);
    EXPECT_EQ(filters(), with_another);

    run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "clsact"}, &server());
}

TEST_P(CoexistAtTc, OurFilterLetsForeignFiltersRun)
{
    const CountingProgram foreign;
    const AttachOptions ours = wanted(TcChoice::clsact);
    ASSERT_TRUE(attach_in(server(), ours));

    attach_foreign_filter(server(), Lab::interface, GetParam(), foreign.fd(), 2);
    expect_both_run(foreign, ours);

    /* The qdisc is ours, the filter in it is not: both stay. */
    ASSERT_TRUE(detach_in(server(), ours));
    EXPECT_THAT(tc_qdiscs(server(), Lab::interface), HasSubstr("clsact"));
    EXPECT_THAT(filters(), AllOf(HasSubstr("foreign_tc"), Not(HasSubstr(our_program()))));
    run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "clsact"}, &server());
}

/* Somebody replaced the qdisc and put a filter where ours was. */
TEST_P(CoexistAtTc, ForeignFilterInOurPlaceIsNotRemoved)
{
    const CountingProgram foreign;
    const AttachOptions ours = wanted(TcChoice::clsact);
    const auto attached = attach_in(server(), ours);
    ASSERT_TRUE(attached);
    const InterfaceRecord &record = attached->record.interface[0];
    run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "clsact"}, &server());
    run_checked({"tc", "qdisc", "add", "dev", Lab::interface, "clsact"}, &server());
    const TcFilter place = ingress() ? record.ingress : record.egress;
    attach_foreign_filter(server(), Lab::interface, GetParam(), foreign.fd(), place.priority,
                          place.handle);

    ASSERT_TRUE(detach_in(server(), ours));
    EXPECT_THAT(filters(), HasSubstr("foreign_tc"));
    run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "clsact"}, &server());
}

TEST_F(Coexist, IngressQdiscInThePlaceOfClsactIsNamed)
{
    run_checked({"tc", "qdisc", "add", "dev", Lab::interface, "ingress"}, &server());
    AttachOptions wanted = options();
    wanted.tc = TcChoice::clsact;
    const auto refused = attach_in(server(), wanted);

    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), HasSubstr("ingress qdisc"));
    EXPECT_THAT(tc_qdiscs(server(), Lab::interface), HasSubstr("ingress"));
    EXPECT_FALSE(exists(wanted.pin_root));
    run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "ingress"}, &server());
}

TEST_F(Coexist, MtuTooLargeForTheDriverIsNamed)
{
    const ExtraInterface extra(server(), "extra0");
    run_checked({"ip", "link", "set", extra.name(), "mtu", "9000"}, &server());
    run_checked({"ip", "link", "set", extra.name() + "p", "mtu", "9000"}, &server());
    /* Without support for fragments, veth takes frames of one page only. */
    const Fd program = load_xdp_pass(false);

    server().enter([&] {
        const auto interface = find_interface(extra.name());
        ASSERT_TRUE(interface);
        const auto refused = attach_xdp(program.get(), *interface, ModeChoice::automatic);
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().line(), AllOf(HasSubstr("MTU of 9000"), HasSubstr("--mode")));
    });
    expect_untouched(server(), extra.name());

    /* Ours take them. */
    AttachOptions wanted = options();
    wanted.interfaces = {extra.name()};
    const auto attached = attach_in(server(), wanted);
    ASSERT_TRUE(attached) << attached.error().line();
    EXPECT_EQ(attached->record.interface[0].mode, Mode::native);
    ASSERT_TRUE(detach_in(server(), wanted));
}

} // namespace
} // namespace bmc::test
