// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>
#include <net/if.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <linux/if_link.h>

#include "bmc/abi/counters.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/stats.h"
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

class Coexist : public LoaderTest
{
  protected:
    static Fd attach_foreign_xdp(const NetNs &where, const std::string &interface, int program,
                                 uint32_t flags)
    {
        Fd link;

        where.enter([&] {
            LIBBPF_OPTS(bpf_link_create_opts, wanted);
            wanted.flags = flags;
            link = Fd(bpf_link_create(program, static_cast<int>(if_nametoindex(interface.c_str())),
                                      BPF_XDP, &wanted));
            if (!link)
                throw system_error("attach a foreign XDP program");
        });
        return link;
    }

    /// Sends a reply until both programs have seen one.
    static void expect_both_run(const CountingProgram &foreign, const AttachOptions &options)
    {
        const auto ours = [&options] {
            const auto stats = read_stats(options.instance, options.pin_root);
            return stats ? (*stats)[BMC_COUNTER_tx_replies] : 0;
        };
        const uint64_t ours_before = ours();
        const uint64_t foreign_before = foreign.count();

        wait_until("both programs see a reply", [&] {
            send_from_server(lab());
            return ours() > ours_before && foreign.count() > foreign_before;
        });
    }
};

TEST_F(Coexist, AnotherXdpProgramIsLeftAloneAndNamed)
{
    const Fd foreign = load_xdp_pass();
    for (const uint32_t flags : {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE}) {
        const Fd link = attach_foreign_xdp(server(), Lab::interface, foreign.get(), flags);
        for (const XdpChoice mode : {XdpChoice::automatic, XdpChoice::native, XdpChoice::generic}) {
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

TEST_F(Coexist, ForeignTcxProgramStillRuns)
{
    const CountingProgram foreign;
    const Fd link = attach_foreign_tcx(server(), Lab::interface, foreign.fd());
    ASSERT_TRUE(attach_in(server(), options()));

    EXPECT_THAT(
        tcx_programs(server(), Lab::interface),
        ElementsAre(program_id(folder(options()) + "/tx_filter"), program_id(foreign.fd())));
    expect_both_run(foreign, options());

    ASSERT_TRUE(detach_in(server(), options()));
    EXPECT_THAT(tcx_programs(server(), Lab::interface), ElementsAre(program_id(foreign.fd())));
}

/* A clsact qdisc and a filter that were there stay, and ours runs beside them. */
TEST_F(Coexist, ForeignClsactFilterStillRuns)
{
    const CountingProgram foreign;
    run_checked({"tc", "qdisc", "add", "dev", Lab::interface, "clsact"}, &server());
    attach_foreign_filter(server(), Lab::interface, foreign.fd(), 1);
    const std::string qdiscs = tc_qdiscs(server(), Lab::interface);
    const std::string filters = tc_filters(server(), Lab::interface);

    /* By TCX, which runs before all filters. */
    ASSERT_TRUE(attach_in(server(), options()));
    expect_both_run(foreign, options());
    ASSERT_TRUE(detach_in(server(), options()));
    EXPECT_EQ(tc_qdiscs(server(), Lab::interface), qdiscs);
    EXPECT_EQ(tc_filters(server(), Lab::interface), filters);

    run_checked({"tc", "filter", "del", "dev", Lab::interface, "egress"}, &server());

    /* By a filter of our own, behind another whose classifier is of another kind. */
    attach_foreign_filter(server(), Lab::interface, foreign.fd(), 3);
    run_checked({"tc", "filter", "add", "dev", Lab::interface, "egress", "protocol", "all", "prio",
                 "1", "u32", "match", "u32", "0", "0", "flowid", "1:1"},
                &server());
    const std::string more_filters = tc_filters(server(), Lab::interface);
    AttachOptions wanted = options();
    wanted.tc = TcChoice::clsact;
    const auto attached = attach_in(server(), wanted);
    ASSERT_TRUE(attached) << attached.error().line();
    EXPECT_EQ(attached->record.interface[0].qdisc_added, 0U);
    expect_attached(server(), wanted);
    ASSERT_TRUE(detach_in(server(), wanted));
    EXPECT_EQ(tc_qdiscs(server(), Lab::interface), qdiscs);
    EXPECT_EQ(tc_filters(server(), Lab::interface), more_filters);

    run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "clsact"}, &server());
}

TEST_F(Coexist, OurFilterLetsForeignFiltersRun)
{
    const CountingProgram foreign;
    AttachOptions wanted = options();
    wanted.tc = TcChoice::clsact;
    ASSERT_TRUE(attach_in(server(), wanted));

    attach_foreign_filter(server(), Lab::interface, foreign.fd(), 2);
    expect_both_run(foreign, wanted);

    /* The qdisc is ours, the filter in it is not: both stay. */
    ASSERT_TRUE(detach_in(server(), wanted));
    EXPECT_THAT(tc_qdiscs(server(), Lab::interface), HasSubstr("clsact"));
    EXPECT_THAT(tc_filters(server(), Lab::interface), HasSubstr("foreign_tc"));
    EXPECT_THAT(tc_filters(server(), Lab::interface), testing::Not(HasSubstr("tx_filter")));
    run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "clsact"}, &server());
}

/* Somebody replaced the qdisc and put a filter where ours was. */
TEST_F(Coexist, ForeignFilterInOurPlaceIsNotRemoved)
{
    const CountingProgram foreign;
    AttachOptions wanted = options();
    wanted.tc = TcChoice::clsact;
    const auto attached = attach_in(server(), wanted);
    ASSERT_TRUE(attached);
    run_checked({"tc", "filter", "del", "dev", Lab::interface, "egress"}, &server());
    attach_foreign_filter(server(), Lab::interface, foreign.fd(),
                          attached->record.interface[0].filter.priority);

    ASSERT_TRUE(detach_in(server(), wanted));
    EXPECT_THAT(tc_filters(server(), Lab::interface), HasSubstr("foreign_tc"));
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
        const auto refused = attach_xdp(program.get(), *interface, XdpChoice::automatic);
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().line(), AllOf(HasSubstr("MTU of 9000"), HasSubstr("--mode")));
    });
    expect_untouched(server(), extra.name());

    /* Ours take them. */
    AttachOptions wanted = options();
    wanted.interfaces = {extra.name()};
    const auto attached = attach_in(server(), wanted);
    ASSERT_TRUE(attached) << attached.error().line();
    EXPECT_EQ(attached->record.interface[0].xdp, XdpMode::native);
    ASSERT_TRUE(detach_in(server(), wanted));
}

} // namespace
} // namespace bmc::test
