// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "bmc/abi/layout.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"
#include "tests/harness/cache.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"
#include "tests/loader/fixture.h"
#include "tests/loader/kernel_state.h"

namespace bmc::test
{
namespace
{

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Attach : public LoaderTest
{
  protected:
    /// The kernel frees by and by what nobody holds any more.
    static void expect_freed(const PinnedIds &ids)
    {
        wait_until("the programs and maps are freed", [&ids] {
            return std::none_of(ids.programs.begin(), ids.programs.end(), program_exists) &&
                   std::none_of(ids.maps.begin(), ids.maps.end(), map_exists);
        });
    }

    static bmc_control read_control(const std::string &folder)
    {
        const std::string path = folder + "/" BMC_PIN_CONTROL;
        bmc_control control = {};
        const auto map = open_map(path, BPF_MAP_TYPE_ARRAY, sizeof control);

        EXPECT_TRUE(map && read_first(*map, path, &control)) << path;
        return control;
    }
};

/* Row 27: what attach made lives without any process, program arrays included. */
TEST_F(Attach, Row27WorksWithoutTheProcessThatAttached)
{
    for (const Way &way : all_ways()) {
        SCOPED_TRACE(testing::PrintToString(way));
        const AttachOptions wanted = options(way);
        ASSERT_EQ(run_in_child([&] {
                      if (!attach_in(server(), wanted))
                          _exit(EXIT_FAILURE);
                  }),
                  0);

        expect_attached(server(), wanted);
        for (const char *array : {"rx_stages", "skb_stages", "tx_stages"}) {
            const std::string path = programs_folder(folder(wanted)) + "/" + array;
            const Fd map(bpf_obj_get(path.c_str()));
            bpf_map_info info = {};
            __u32 size = sizeof info;
            ASSERT_EQ(bpf_obj_get_info_by_fd(map.get(), &info, &size), 0) << array;
            for (uint32_t key = 0; key < info.max_entries; key++) {
                uint32_t id = 0;
                EXPECT_EQ(bpf_map_lookup_elem(map.get(), &key, &id), 0) << array << " " << key;
                EXPECT_NE(id, 0U) << array << " " << key;
            }
        }

        ASSERT_TRUE(detach_in(server(), wanted));
        expect_untouched(server(), Lab::interface);
    }
}

/* Row 28: after a detach, or a kill, a new attach puts its own programs on both hooks. */
TEST_F(Attach, Row28SecondAttachRunsItsOwnPrograms)
{
    for (const Way &way : all_ways()) {
        SCOPED_TRACE(testing::PrintToString(way));
        const AttachOptions wanted = options(way);
        ASSERT_TRUE(attach_in(server(), wanted));
        const PinnedIds first = pinned_ids(folder(wanted));
        ASSERT_TRUE(detach_in(server(), wanted));

        ASSERT_TRUE(attach_in(server(), wanted));
        expect_attached(server(), wanted);
        EXPECT_NE(pinned_ids(folder(wanted)).programs, first.programs);
        expect_freed(first);
        ASSERT_TRUE(detach_in(server(), wanted));
    }
}

/* Row 29: detach leaves no program, filter, qdisc, map or pin. */
TEST_F(Attach, Row29DetachLeavesNothing)
{
    for (const Way &way : all_ways()) {
        SCOPED_TRACE(testing::PrintToString(way));
        const AttachOptions wanted = options(way);
        const auto attached = attach_in(server(), wanted);
        ASSERT_TRUE(attached) << attached.error().line();
        expect_attached(server(), wanted);
        const PinnedIds ids = pinned_ids(folder(wanted));

        const auto detached = detach_in(server(), wanted);
        ASSERT_TRUE(detached) << detached.error().line();
        EXPECT_FALSE(detached->origin);
        EXPECT_THAT(detached->notes, IsEmpty());
        expect_untouched(server(), Lab::interface);
        EXPECT_FALSE(exists(wanted.pin_root));
        expect_freed(ids);
    }
}

TEST_F(Attach, MapsHaveTheSizesOfTheBudgetAndControlSaysSo)
{
    AttachOptions wanted = options();
    wanted.memory = uint64_t{5} << 20;
    const auto attached = attach_in(server(), wanted);
    ASSERT_TRUE(attached) << attached.error().line();

    const MemorySplit split = split_memory(wanted.memory);
    for (const auto &[name, entries] :
         {std::pair{"clocks", split.clock_count}, std::pair{"grants", split.grant_count},
          std::pair{"buckets", split.bucket_count}}) {
        const Fd map(bpf_obj_get(fmt::format("{}/{}", folder(wanted), name).c_str()));
        bpf_map_info info = {};
        __u32 size = sizeof info;
        ASSERT_EQ(bpf_obj_get_info_by_fd(map.get(), &info, &size), 0) << name;
        EXPECT_EQ(info.max_entries, entries) << name;
    }

    const bmc_control control = read_control(folder(wanted));
    EXPECT_EQ(control.clock_count, split.clock_count);
    EXPECT_EQ(control.grant_count, split.grant_count);
    EXPECT_EQ(control.magic, static_cast<__u32>(BMC_MAGIC));
    EXPECT_EQ(control.layout_version, static_cast<__u32>(BMC_LAYOUT_VERSION));
    EXPECT_EQ(control.generation % 2, 1U) << "no origin serves yet";
    EXPECT_EQ(control.origin_pid, 0U);
    EXPECT_NE(control.netns_cookie, 0U);
    ASSERT_EQ(control.served.port_count, 1U);
    EXPECT_EQ(control.served.port[0], htons(default_port));
    EXPECT_GE(control.served.addr4_count, 1U);
    EXPECT_GE(control.served.addr6_count, 1U);
    ASSERT_TRUE(detach_in(server(), wanted));
}

TEST_F(Attach, EachInstanceHasItsOwnSeed)
{
    std::set<std::pair<uint64_t, uint64_t>> seeds;

    for (int i = 0; i < 3; i++) {
        ASSERT_TRUE(attach_in(server(), options()));
        const bmc_control control = read_control(folder(options()));
        EXPECT_NE(control.seed[0], 0U);
        seeds.emplace(control.seed[0], control.seed[1]);
        ASSERT_TRUE(detach_in(server(), options()));
    }
    EXPECT_EQ(seeds.size(), 3U);
}

TEST_F(Attach, ServesAllAddressesOfTheInterfacesUnlessTold)
{
    const auto all = attach_in(server(), options());
    ASSERT_TRUE(all);
    for (const char *text : {Lab::server4, Lab::server6})
        EXPECT_THAT(all->addresses, testing::Contains(*parse_address(text))) << text;
    ASSERT_TRUE(detach_in(server(), options()));

    AttachOptions wanted = options();
    wanted.addresses = {*parse_address(Lab::server4)};
    const auto one = attach_in(server(), wanted);
    ASSERT_TRUE(one);
    EXPECT_EQ(one->addresses, wanted.addresses);
    ASSERT_TRUE(detach_in(server(), wanted));
}

/* Requests may come in for an address of another interface: of a VLAN device,
   an anycast address on loopback. */
TEST_F(Attach, ServesAddressesOfOtherInterfaces)
{
    const ExtraInterface extra(server(), "extra0");
    run_checked({"ip", "address", "add", "198.51.100.7/32", "dev", "lo"}, &server());
    run_checked({"ip", "address", "add", "fd99::7/128", "dev", "lo", "nodad"}, &server());
    AttachOptions wanted = options();
    wanted.addresses = {*parse_address("192.0.2.1"), *parse_address("198.51.100.7"),
                        *parse_address("fd99::7"), *parse_address("127.0.0.9")};
    const auto attached = attach_in(server(), wanted);

    ASSERT_TRUE(attached) << attached.error().line();
    EXPECT_EQ(attached->addresses, wanted.addresses);
    ASSERT_TRUE(detach_in(server(), wanted));
    run_checked({"ip", "address", "del", "198.51.100.7/32", "dev", "lo"}, &server());
    run_checked({"ip", "address", "del", "fd99::7/128", "dev", "lo"}, &server());
}

TEST_F(Attach, SaysWhichModeItGot)
{
    const auto native = attach_in(server(), options());
    ASSERT_TRUE(native);
    EXPECT_EQ(native->record.interface[0].mode, Mode::native);
    ASSERT_TRUE(detach_in(server(), options()));

    /* The loopback driver has no native XDP. */
    AttachOptions loopback = options();
    loopback.interfaces = {"lo"};
    const auto fallback = attach_in(server(), loopback);
    ASSERT_TRUE(fallback) << fallback.error().line();
    EXPECT_EQ(fallback->record.interface[0].mode, Mode::tc);
    EXPECT_THAT(fallback->notes, testing::Contains(HasSubstr("no native XDP for lo")));
    ASSERT_TRUE(detach_in(server(), loopback));

    loopback.mode = ModeChoice::native;
    const auto refused = attach_in(server(), loopback);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), HasSubstr("--mode generic"));
    expect_untouched(server(), "lo");

    loopback.mode = ModeChoice::tc;
    const auto without = attach_in(server(), loopback);
    ASSERT_TRUE(without) << without.error().line();
    EXPECT_EQ(without->record.interface[0].mode, Mode::tc);
    expect_attached(server(), loopback);
    ASSERT_TRUE(detach_in(server(), loopback));
}

TEST_F(Attach, ServesSeveralInterfaces)
{
    const ExtraInterface extra(server(), "extra0");
    for (const Way &way : all_ways()) {
        SCOPED_TRACE(testing::PrintToString(way));
        AttachOptions wanted = options(way);
        wanted.interfaces = {Lab::interface, extra.name(), Lab::interface};
        const auto attached = attach_in(server(), wanted);

        ASSERT_TRUE(attached) << attached.error().line();
        EXPECT_EQ(attached->record.interface_count, 2U) << "one was named twice";
        expect_attached(server(), wanted);
        ASSERT_TRUE(detach_in(server(), wanted));
        expect_untouched(server(), extra.name());
    }
}

TEST_F(Attach, InstancesLiveSideBySide)
{
    const ExtraInterface extra(server(), "extra0");
    AttachOptions other = options();
    other.instance = "other";
    other.interfaces = {extra.name()};
    ASSERT_TRUE(attach_in(server(), options()));
    ASSERT_TRUE(attach_in(server(), other));

    const auto names = list_instances(pin_root_);
    ASSERT_TRUE(names);
    EXPECT_THAT(*names, testing::ElementsAre("other", "t"));
    ASSERT_TRUE(detach_in(server(), options()));
    expect_attached(server(), other);
    ASSERT_TRUE(detach_in(server(), other));
}

TEST_F(Attach, NamesTheInstanceThatServesTheInterface)
{
    AttachOptions other = options();
    other.instance = "other";
    ASSERT_TRUE(attach_in(server(), options()));
    const auto refused = attach_in(server(), other);

    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), HasSubstr("bmc detach --instance t"));
    EXPECT_FALSE(exists(folder(other)));
    expect_attached(server(), options());
    ASSERT_TRUE(detach_in(server(), options()));
}

TEST_F(Attach, DetachWorksFromAnotherNetworkNamespace)
{
    ASSERT_TRUE(attach_in(server(), options()));
    const auto detached = detach_in(lab().client(), options());

    ASSERT_TRUE(detached) << detached.error().line();
}

TEST_F(Attach, DetachOfClsactFiltersFromAnotherNetworkNamespaceChangesNothing)
{
    for (const ModeChoice mode : {ModeChoice::automatic, ModeChoice::tc}) {
        const AttachOptions wanted = options({mode, TcChoice::clsact});
        ASSERT_TRUE(attach_in(server(), wanted));
        const auto refused = detach_in(lab().client(), wanted);

        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().line(), HasSubstr("another network namespace"));
        expect_attached(server(), wanted);
        ASSERT_TRUE(detach_in(server(), wanted));
    }
}

TEST_F(Attach, DetachWorksAfterTheInterfaceIsGone)
{
    for (const Way &way : all_ways()) {
        SCOPED_TRACE(testing::PrintToString(way));
        AttachOptions wanted = options(way);
        {
            const ExtraInterface extra(server(), "extra0");
            wanted.interfaces = {extra.name()};
            ASSERT_TRUE(attach_in(server(), wanted));
        }
        /* From elsewhere: there is no filter left that could be reached. */
        const auto detached = detach_in(lab().client(), wanted);
        ASSERT_TRUE(detached) << detached.error().line();
    }
}

/* The kernel takes qdiscs and filters off an interface that moves; links stay. */
TEST_F(Attach, DetachWorksAfterTheInterfaceHasMoved)
{
    const ExtraInterface extra(server(), "extra0");
    for (const Way &way : all_ways()) {
        SCOPED_TRACE(testing::PrintToString(way));
        AttachOptions wanted = options(way);
        wanted.interfaces = {extra.name()};
        wanted.addresses = {*parse_address(Lab::server4)}; /* it loses its own */
        ASSERT_TRUE(attach_in(server(), wanted));
        run_checked({"ip", "link", "set", extra.name(), "netns", lab().client().name()}, &server());

        const auto detached = detach_in(lab().client(), wanted);
        EXPECT_TRUE(detached) << detached.error().line();
        expect_untouched(lab().client(), extra.name());
        run_checked({"ip", "link", "set", extra.name(), "netns", lab().server().name()},
                    &lab().client());
    }
}

TEST_F(Attach, DetachOfNothingIsAnError)
{
    const auto refused = detach_in(server(), options());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), HasSubstr("attached: nothing"));

    ASSERT_TRUE(attach_in(server(), options()));
    AttachOptions other = options();
    other.instance = "other";
    EXPECT_THAT(detach_in(server(), other).error().line(), HasSubstr("attached: t"));
    ASSERT_TRUE(detach_in(server(), options()));
}

TEST_F(Attach, DetachTellsThatAnOriginWasAlive)
{
    ASSERT_TRUE(attach_in(server(), options()));
    const Fd origin(open(folder(options()).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_EQ(flock(origin.get(), LOCK_EX | LOCK_NB), 0);

    const auto detached = detach_in(server(), options());
    ASSERT_TRUE(detached);
    EXPECT_TRUE(detached->origin);

    /* The old origin's lock is on a folder that is gone: the new one is free. */
    const auto attached = attach_in(server(), options());
    ASSERT_TRUE(attached);
    EXPECT_FALSE(attached->kept);
    EXPECT_THAT(attached->notes,
                testing::ElementsAre(
                    AllOf(HasSubstr(fmt::format("pid {} ", getpid())), HasSubstr("restart it"))));
    EXPECT_FALSE(origin_holds(folder(options())));
    ASSERT_TRUE(detach_in(server(), options()));

    AttachOptions other = options();
    other.instance = "other";
    const auto unconcerned = attach_in(server(), other);
    ASSERT_TRUE(unconcerned);
    EXPECT_THAT(unconcerned->notes, IsEmpty());
    ASSERT_TRUE(detach_in(server(), other));
}

/* Folders that somebody else made are no instances, and are left alone. */
TEST_F(Attach, ForeignFolderIsNoInstance)
{
    AttachOptions foreign = options();
    foreign.instance = "foreign";
    ASSERT_TRUE(attach_in(server(), options()));
    ASSERT_EQ(mkdir(folder(foreign).c_str(), 0700), 0);
    const Fd program = load_xdp_pass();
    const std::string inside = folder(foreign) + "/program";
    for (const bool empty : {true, false}) {
        if (!empty) {
            ASSERT_EQ(bpf_obj_pin(program.get(), inside.c_str()), 0);
        }
        const auto names = list_instances(pin_root_);
        ASSERT_TRUE(names);
        EXPECT_THAT(*names, testing::ElementsAre("t"));
        EXPECT_THAT(detach_in(server(), foreign).error().line(), HasSubstr("attached: t"));
        EXPECT_THAT(attach_in(server(), foreign).error().line(),
                    HasSubstr(folder(foreign) + " is there, and bmc did not make it"));
        EXPECT_TRUE(exists(folder(foreign)));
    }
    EXPECT_TRUE(exists(inside));
    EXPECT_EQ(unlink(inside.c_str()), 0);
    EXPECT_EQ(rmdir(folder(foreign).c_str()), 0);
    ASSERT_TRUE(detach_in(server(), options()));
}

TEST_F(Attach, FoldersThatOthersCouldWriteToAreNotTrusted)
{
    ASSERT_EQ(mkdir(pin_root_.c_str(), 0700), 0);
    std::filesystem::permissions(pin_root_, std::filesystem::perms::all);
    const auto refused = attach_in(server(), options());

    EXPECT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), HasSubstr("trust the folder " + pin_root_));
    EXPECT_EQ(rmdir(pin_root_.c_str()), 0);
}

TEST_F(Attach, CommandDoesTheSame)
{
    const std::string name = lab().name() + "-cmd";
    const test::Result attached =
        run_bmc({"attach", "--interface", Lab::interface, "--instance", name, "--memory", "1M",
                 "--port", "11311", "11312", "11311"},
                &server());
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_EQ(attached.err, "");
    EXPECT_THAT(attached.out, HasSubstr("UDP port 11311, 11312 on"));
    EXPECT_THAT(attached.out, HasSubstr(fmt::format("  {}: XDP native, attached to TC by tcx\n",
                                                    Lab::interface)));
    EXPECT_THAT(attached.out, HasSubstr(Lab::server6));
    EXPECT_NE(xdp_program(server(), Lab::interface), 0U);

    const test::Result detached = run_bmc({"detach", "--instance", name});
    EXPECT_EQ(detached.status, 0) << detached.err;
    EXPECT_THAT(detached.out, Not(HasSubstr("memcached-sr")));
    EXPECT_FALSE(exists(BMC_PIN_ROOT "/" + name));
}

TEST_F(Attach, CommandAttachesWithoutXdp)
{
    for (const char *tc : {"tcx", "clsact"}) {
        const std::string name = lab().name() + "-tc";
        const test::Result attached =
            run_bmc({"attach", "--interface", Lab::interface, "--instance", name, "--memory", "1M",
                     "--mode", "tc", "--tc", tc},
                    &server());
        ASSERT_EQ(attached.status, 0) << attached.err;
        EXPECT_THAT(attached.out,
                    HasSubstr(fmt::format("  {}: TC without XDP, attached to TC by {}\n",
                                          Lab::interface, tc)));
        EXPECT_EQ(xdp_program(server(), Lab::interface), 0U);
        const test::Result stats = run_bmc({"stats", "--instance", name});
        EXPECT_THAT(stats.out, HasSubstr(fmt::format("{} (TC without XDP)", Lab::interface)));
        EXPECT_EQ(run_bmc({"detach", "--instance", name}, &server()).status, 0);
    }
}

TEST_F(Attach, TwoAtOnceMakeOneInstance)
{
    const std::string name = lab().name() + "-two";
    std::vector<std::string> arguments = {program_path("bmc"), "attach",     "--interface",
                                          Lab::interface,      "--instance", name,
                                          "--memory",          "1M"};
    std::array<Process, 2> both = {Process(arguments, &server()), Process(arguments, &server())};
    const std::array<int, 2> status = {both[0].wait(), both[1].wait()};

    EXPECT_EQ(status, (std::array<int, 2>{0, 0})) << both[0].err() << both[1].err();
    const bool first = both[0].out().find("attached '") != std::string::npos;
    EXPECT_THAT(both[first ? 0 : 1].out(), HasSubstr("attached '"));
    EXPECT_THAT(both[first ? 1 : 0].out(), HasSubstr("upgraded '"));
    EXPECT_EQ(run_bmc({"detach", "--instance", name}).status, 0);
}

} // namespace
} // namespace bmc::test
