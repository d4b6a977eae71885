// SPDX-License-Identifier: BSD-3-Clause
//
// Attach of what is attached already: upgraded, refused, or attached anew.

#include <algorithm>
#include <functional>
#include <unistd.h>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "bmc/abi/counters.h"
#include "bmc/abi/layout.h"
#include "bmc/lib/control.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/record.h"
#include "bmc/lib/stats.h"
#include "bmc/lib/status.h"
#include "tests/harness/wait.h"
#include "tests/loader/fixture.h"
#include "tests/loader/kernel_state.h"
#include "tests/loader/stand_in_origin.h"

namespace bmc::test
{
namespace
{

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Upgrade : public LoaderTest
{
  protected:
    /// Makes the instance one of another layout.
    static void change_layout(const std::string &folder, int by)
    {
        const std::string path = folder + "/" BMC_PIN_CONTROL;
        const auto map = open_map(path, BPF_MAP_TYPE_ARRAY, sizeof(bmc_control));
        auto control = load_control(folder);

        ASSERT_TRUE(map && control) << path;
        control->layout_version += by;
        ASSERT_TRUE(write_first(map->get(), path, &*control));
    }

    /// Puts another map in the place of a pinned one.
    static void replace_map(const std::string &path, bpf_map_type type, uint32_t value_size,
                            const void *value)
    {
        const Fd map(bpf_map_create(type, "other", sizeof(uint32_t), value_size, 1, nullptr));

        ASSERT_TRUE(map) << path;
        if (value != nullptr) {
            ASSERT_TRUE(write_first(map.get(), path, value));
        }
        ASSERT_EQ(unlink(path.c_str()), 0) << path;
        ASSERT_EQ(bpf_obj_pin(map.get(), path.c_str()), 0) << path;
    }

    uint64_t counter(bmc_counter which) const
    {
        const auto stats = read_stats(options().instance, pin_root_);

        EXPECT_TRUE(stats) << stats.error().line();
        return stats ? (*stats)[which] : 0;
    }

    /// Fails the test unless this attach is refused, for this reason, and changes nothing.
    void expect_refused(const AttachOptions &there, const AttachOptions &other,
                        const std::string &reason, const NetNs &where = server()) const
    {
        const PinnedIds before = pinned_ids(folder(there));
        const auto refused = attach_in(where, other);

        ASSERT_FALSE(refused) << reason;
        EXPECT_THAT(refused.error().line(),
                    AllOf(HasSubstr("cannot upgrade the instance 't'"), HasSubstr(reason),
                          HasSubstr("bmc detach --instance t")));
        EXPECT_EQ(pinned_ids(folder(there)).programs, before.programs);
        expect_attached(server(), there);
    }
};

TEST_F(Upgrade, KeepsTheCacheAndTakesNewPrograms)
{
    for (const Way &way : all_ways) {
        SCOPED_TRACE(testing::PrintToString(way));
        const AttachOptions wanted = options(way);
        ASSERT_TRUE(attach_in(server(), wanted));
        const auto id = instance_id(folder(wanted));
        const auto control = load_control(folder(wanted));
        ASSERT_TRUE(control);
        const PinnedIds before = pinned_ids(folder(wanted));
        const StandInOrigin origin(folder(wanted));

        for (const ModeChoice mode : {way.mode, ModeChoice::automatic}) {
            /* What is left to bmc is taken as it is. */
            AttachOptions next = wanted;
            next.mode = mode;
            next.tc = mode == ModeChoice::automatic ? TcChoice::automatic : way.tc;
            const auto upgraded = attach_in(server(), next);
            ASSERT_TRUE(upgraded) << upgraded.error().line();
            EXPECT_EQ(upgraded->kept, 0U);
            EXPECT_THAT(upgraded->notes, IsEmpty());
            EXPECT_EQ(upgraded->id, *id);
            EXPECT_EQ(upgraded->record.interface[0].tc,
                      way.tc == TcChoice::tcx ? TcKind::tcx : TcKind::clsact);
            ASSERT_TRUE(upgraded->origin);
            EXPECT_EQ(upgraded->origin->pid, static_cast<uint32_t>(origin.pid()));
            expect_attached(server(), wanted);
            EXPECT_FALSE(exists(other_programs_folder(folder(wanted))));
        }
        EXPECT_EQ(*instance_id(folder(wanted)), *id);
        const auto after = load_control(folder(wanted));
        ASSERT_TRUE(after);
        EXPECT_TRUE(std::equal(control->seed, control->seed + 2, after->seed));
        for (const char *map : {BMC_PIN_CONTROL, BMC_PIN_CLOCKS, BMC_PIN_GRANTS, BMC_PIN_SOCKETS,
                                "buckets", "programs/counters"})
            EXPECT_THAT(before.maps, testing::Contains(map_id(folder(wanted) + "/" + map))) << map;
        wait_until("the former programs are freed", [&before] {
            return std::none_of(before.programs.begin(), before.programs.end(), program_exists);
        });
        ASSERT_TRUE(detach_in(server(), wanted));
        expect_untouched(server(), Lab::interface);
    }
}

TEST_F(Upgrade, CountersGoOnUnlessThereAreOthers)
{
    ASSERT_TRUE(attach_in(server(), options()));
    send_to_server(lab());
    const uint64_t requests = counter(BMC_COUNTER_rx_requests);
    EXPECT_GE(requests, 1U);

    ASSERT_TRUE(attach_in(server(), options()));
    EXPECT_EQ(counter(BMC_COUNTER_rx_requests), requests);
    send_to_server(lab());
    EXPECT_EQ(counter(BMC_COUNTER_rx_requests), requests + 1);

    /* As those of a bmc would be that counts fewer things. */
    replace_map(programs_folder(folder(options())) + "/counters", BPF_MAP_TYPE_PERCPU_ARRAY,
                sizeof(bmc_counters) - 8, nullptr);
    ASSERT_TRUE(attach_in(server(), options()));
    EXPECT_EQ(counter(BMC_COUNTER_rx_requests), 0U);
    send_to_server(lab());
    EXPECT_EQ(counter(BMC_COUNTER_rx_requests), 1U);
    ASSERT_TRUE(detach_in(server(), options()));
}

TEST_F(Upgrade, OtherSettingsAreRefusedByName)
{
    const ExtraInterface extra(server(), "extra0");
    const std::vector<std::pair<std::string, std::function<void(AttachOptions &)>>> changes = {
        {"its UDP port is 11211, and not 11212", [](auto &other) { other.ports = {11212}; }},
        {"its UDP port is 11211, and not 11211, 11212",
         [](auto &other) {
             other.ports = {11212, 11211};
         }},
        {"its addresses are 10.77.0.1, fd77::1, and not 10.77.0.1",
         [](auto &other) { other.addresses = {*parse_address(Lab::server4)}; }},
        {"its memory is 1 M, and not 2 M", [](auto &other) { other.memory = 2 * min_memory; }},
        {"its interface is veth0, and not extra0, veth0",
         [](auto &other) {
             other.interfaces = {Lab::interface, "extra0"};
             other.addresses = {*parse_address(Lab::server4), *parse_address(Lab::server6)};
         }},
        {"its mode is native, and not tc", [](auto &other) { other.mode = ModeChoice::tc; }},
        {"its mode is native, and not generic",
         [](auto &other) { other.mode = ModeChoice::generic; }},
        {"its kind of TC is tcx, and not clsact", [](auto &other) { other.tc = TcChoice::clsact; }},
    };

    ASSERT_TRUE(attach_in(server(), options()));
    for (const auto &[reason, change] : changes) {
        AttachOptions other = options();
        change(other);
        expect_refused(options(), other, reason);
    }
    AttachOptions elsewhere = options();
    elsewhere.interfaces = {"lo"};
    expect_refused(options(), elsewhere, "its network namespace is another", lab().client());

    /* The order of addresses is not a difference. */
    AttachOptions other = options();
    other.addresses = {*parse_address(Lab::server6), *parse_address(Lab::server4)};
    ASSERT_TRUE(attach_in(server(), other));
    ASSERT_TRUE(detach_in(server(), options()));
}

/* They are the programs' own, and no part of the cache. */
TEST_F(Upgrade, AllowedSourcesAndTheirBudgetMayChange)
{
    ASSERT_TRUE(attach_in(server(), options()));
    AttachOptions narrow = options();
    narrow.access = {.allow = {*parse_prefix("10.77.0.0/24")}, .budget = 1 << 20};
    for (const AttachOptions &next : {narrow, options()}) {
        const auto upgraded = attach_in(server(), next);
        ASSERT_TRUE(upgraded) << upgraded.error().line();
        const auto status = read_status(next.instance, pin_root_);
        ASSERT_TRUE(status) << status.error().line();
        EXPECT_EQ(status->access.allow.size(), next.access.allow.size());
        EXPECT_EQ(status->access.budget, next.access.budget);
        expect_attached(server(), next);
    }
    ASSERT_TRUE(detach_in(server(), options()));
}

TEST_F(Upgrade, InterfaceMadeAnewIsAnother)
{
    AttachOptions wanted = options();
    wanted.interfaces = {"extra0"};
    {
        const ExtraInterface extra(server(), "extra0");
        ASSERT_TRUE(attach_in(server(), wanted));
    }
    const ExtraInterface extra(server(), "extra0");
    const auto refused = attach_in(server(), wanted);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(),
                HasSubstr("its interface is extra0 (which is gone), and not extra0"));
    ASSERT_TRUE(detach_in(server(), wanted));
}

TEST_F(Upgrade, ProgramsThatSomebodyTookOffAreNamed)
{
    for (const Way &way : all_ways) {
        SCOPED_TRACE(testing::PrintToString(way));
        const AttachOptions wanted = options(way);
        const auto attached = attach_in(server(), wanted);
        ASSERT_TRUE(attached);
        if (way.tc == TcChoice::clsact) {
            run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "clsact"}, &server());
        } else {
            const std::string pin =
                pin_tc_link(attached->record.interface[0].ifindex, TcDirection::ingress);
            const Fd link(bpf_obj_get((folder(wanted) + "/" + pin).c_str()));
            ASSERT_EQ(bpf_link_detach(link.get()), 0);
        }
        const auto refused = attach_in(server(), wanted);
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().line(), HasSubstr("TC ingress of veth0: somebody else has"));
        ASSERT_TRUE(detach_in(server(), wanted));
        expect_untouched(server(), Lab::interface);
    }
}

/* The newer and the older one see the same: a layout that is not theirs. */
TEST_F(Upgrade, OtherLayoutIsAttachedAnew)
{
    for (const int by : {1, -1})
        for (const Way &way : all_ways) {
            SCOPED_TRACE(testing::PrintToString(way));
            const AttachOptions wanted = options(way);
            ASSERT_TRUE(attach_in(server(), wanted));
            const uint64_t id = *instance_id(folder(wanted));
            change_layout(folder(wanted), by);
            const StandInOrigin origin(folder(wanted));

            const auto anew = attach_in(server(), wanted);
            ASSERT_TRUE(anew) << anew.error().line();
            EXPECT_FALSE(anew->kept);
            EXPECT_NE(anew->id, id);
            EXPECT_THAT(anew->notes,
                        ElementsAre(HasSubstr("with another layout of its memory"),
                                    AllOf(HasSubstr(fmt::format("pid {} ", origin.pid())),
                                          HasSubstr("restart it"))));
            expect_attached(server(), wanted);
            EXPECT_TRUE(load_control(folder(wanted)));
            ASSERT_TRUE(detach_in(server(), wanted));
            expect_untouched(server(), Lab::interface);
        }
}

TEST_F(Upgrade, OtherLayoutUnderALiveRunIsLeftToIt)
{
    AttachOptions held = options();
    held.hold = true;
    auto run = attach_in(server(), held);
    ASSERT_TRUE(run);
    change_layout(folder(held), 1);

    const auto refused = attach_in(server(), options());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), HasSubstr("a `bmc run` holds it: restart that"));
    expect_attached(server(), options());
    run->hold.close();
    ASSERT_TRUE(attach_in(server(), options()));
    ASSERT_TRUE(detach_in(server(), options()));
}

TEST_F(Upgrade, OneAtATimeHolds)
{
    AttachOptions held = options();
    held.hold = true;
    auto first = attach_in(server(), held);
    ASSERT_TRUE(first);
    const PinnedIds before = pinned_ids(folder(held));

    const auto second = attach_in(server(), held);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().line(), HasSubstr("another `bmc run` does"));
    EXPECT_EQ(pinned_ids(folder(held)).programs, before.programs);

    ASSERT_TRUE(attach_in(server(), options()));
    EXPECT_FALSE(attach_in(server(), held)) << "an upgrade by another does not end it";
    first->hold.close();
    EXPECT_TRUE(attach_in(server(), held));
    ASSERT_TRUE(detach_in(server(), options()));
}

/* A record may grow; of one that cannot be read, links and filters tell themselves. */
TEST_F(Upgrade, RecordsOfOtherVersions)
{
    struct LongRecord {
        InstanceRecord known;
        uint64_t more;
    };

    for (const Way &way : all_ways) {
        SCOPED_TRACE(testing::PrintToString(way));
        const AttachOptions wanted = options(way);
        auto attached = attach_in(server(), wanted);
        ASSERT_TRUE(attached);
        LongRecord record = {attached->record, 4711};
        const std::string path = folder(wanted) + "/" + pin_record;
        replace_map(path, BPF_MAP_TYPE_ARRAY, sizeof record, &record);
        const auto upgraded = attach_in(server(), wanted);
        ASSERT_TRUE(upgraded) << upgraded.error().line();
        EXPECT_TRUE(upgraded->kept);
        const auto map = RecordMap::open(folder(wanted));
        ASSERT_TRUE(map && map->save(record.known));
        const auto raw = open_map(path, BPF_MAP_TYPE_ARRAY, sizeof record);
        ASSERT_TRUE(raw && read_first(*raw, path, &record));
        EXPECT_EQ(record.more, 4711U) << "what it does not know is left alone";

        record.known.version = record_version + 1;
        ASSERT_TRUE(write_first(raw->get(), path, &record));
        const auto anew = attach_in(server(), wanted);
        ASSERT_TRUE(anew) << anew.error().line();
        EXPECT_FALSE(anew->kept);
        expect_attached(server(), wanted);

        replace_map(path, BPF_MAP_TYPE_ARRAY, sizeof record, &record);
        ASSERT_TRUE(detach_in(server(), wanted));
        EXPECT_FALSE(exists(folder(wanted)));
        if (way.tc == TcChoice::clsact) {
            EXPECT_EQ(tc_filters(server(), Lab::interface, TcDirection::ingress), "");
            run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "clsact"}, &server());
        }
        expect_untouched(server(), Lab::interface);
    }
}

} // namespace
} // namespace bmc::test
