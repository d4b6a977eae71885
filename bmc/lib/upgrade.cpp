// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/upgrade.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/membarrier.h>
#include <set>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/lib/cache_reader.h"
#include "bmc/lib/control.h"
#include "bmc/lib/devices.h"
#include "bmc/lib/hooks.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/mapped_array.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/pins.h"
#include "bmc/lib/programs.h"
#include "bmc/lib/scope_guard.h"

namespace bmc
{

namespace
{

/// The error for options that the instance does not have.
Error differs(const AttachOptions &options, const char *what, const std::string &has,
              const std::string &wanted)
{
    return {"upgrade the instance",
            fmt::format("'{}'", options.instance),
            0,
            fmt::format("its {} {}, and not {}; keep that, or `bmc detach --instance {}`, attach "
                        "again and restart memcached-sr",
                        what, has, wanted, options.instance),
            {}};
}

std::string megabytes(const MemorySplit &split)
{
    constexpr uint64_t mega = uint64_t{1} << 20;

    return fmt::format("{} M", (split.bytes() + mega / 2) / mega);
}

std::set<std::string> ports_of(const bmc_served &served)
{
    std::set<std::string> texts;

    for (const uint16_t port : served_ports(served))
        texts.insert(std::to_string(port));
    return texts;
}

std::set<std::string> addresses_of(const bmc_served &served)
{
    std::set<std::string> texts;

    for (const Address &address : served_addresses(served))
        texts.insert(address.text());
    return texts;
}

/// The names that the instance's interfaces have now.
Result<std::set<std::string>> interfaces_of(const Existing &existing, const AttachOptions &options,
                                            const Plan &plan)
{
    const auto devices = DeviceMap::open(instance_folder(options.pin_root, options.instance));
    if (!devices)
        return devices.error();

    std::set<std::string> names;
    for (uint32_t i = 0; i < existing.record.interface_count; i++) {
        const InterfaceRecord &entry = existing.record.interface[i];
        const auto now =
            std::find_if(plan.interfaces.begin(), plan.interfaces.end(),
                         [&](const Interface &other) { return other.index == entry.ifindex; });
        if (!devices->has(entry.ifindex))
            names.insert(fmt::format("{} (which is gone)", entry.name));
        else
            names.insert(now == plan.interfaces.end() ? entry.name : now->name);
    }
    return names;
}

/// The order is that of the origin's sockets, and stays.
bmc_config keep_served(bmc_config config, const Existing &existing)
{
    config.served = existing.control.served;
    return config;
}

/// Returns when no packet is in a program any more that no hook runs: then nobody misses
/// the stages that it goes on to. (Linux, kernel/sched/membarrier.c: waits for a grace
/// period of RCU. With nohz_full it does not; such a packet goes up to the origin.)
void wait_for_packets()
{
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/// Of the record, for whoever reads it.
Status save_budget(const std::string &folder, uint64_t budget)
{
    const auto map = RecordMap::open(folder);
    auto record = map ? map->load() : map.error();

    if (!record)
        return record.error();
    record->budget = budget;
    return map->save(*record);
}

Status remove_other_set(const std::string &folder)
{
    wait_for_packets();
    return remove_folder(other_programs_folder(folder));
}

} // namespace

Result<std::optional<Existing>> read_existing(const std::string &folder)
{
    const std::optional<Existing> none;
    Existing existing;

    const auto map = RecordMap::open(folder);
    if (!map)
        return map.error();
    const auto record = map->load();
    if (!record && record.error().code == ENOTSUP)
        return none;
    if (!record)
        return record.error();
    existing.record = *record;

    /* Code 0: the map is there, but is another. */
    const auto control = load_control(folder);
    if (!control && control.error().code == 0)
        return none;
    if (!control)
        return control.error();
    existing.control = *control;

    const std::string path = folder + "/" + pin_buckets;
    const auto buckets = open_map(path, BPF_MAP_TYPE_ARRAY, sizeof(bmc_bucket));
    if (!buckets && buckets.error().code == 0)
        return none;
    const auto count = buckets ? max_entries(*buckets, path) : buckets.error();
    if (!count)
        return count.error();
    existing.split.clock_count = static_cast<uint32_t>(control->clock_count);
    existing.split.grant_count = static_cast<uint32_t>(control->grant_count);
    existing.split.bucket_count = *count;
    if (!is_folder(programs_folder(folder)))
        return none;
    return std::optional<Existing>(existing);
}

Status check_same(const Existing &existing, const AttachOptions &options, const Plan &plan)
{
    const auto check = [&](const char *what, const std::set<std::string> &has,
                           const std::set<std::string> &wanted) -> Status {
        if (has == wanted)
            return Done{};
        return differs(options, what, fmt::format("{}", fmt::join(has, ", ")),
                       fmt::format("{}", fmt::join(wanted, ", ")));
    };
    const bmc_served &has = existing.control.served;
    const bmc_served &wanted = plan.config.served;

    if (existing.record.network_namespace != plan.network_namespace)
        return differs(options, "network namespace is", "another", "this one");
    BMC_TRY(check("UDP port is", ports_of(has), ports_of(wanted)));
    BMC_TRY(check("addresses are", addresses_of(has), addresses_of(wanted)));
    if (existing.split != plan.split)
        return differs(options, "memory is", megabytes(existing.split), megabytes(plan.split));

    const auto interfaces = interfaces_of(existing, options, plan);
    if (!interfaces)
        return interfaces.error();
    std::set<std::string> names;
    for (const Interface &interface : plan.interfaces)
        names.insert(interface.name);
    BMC_TRY(check("interface is", *interfaces, names));

    for (uint32_t i = 0; i < existing.record.interface_count; i++) {
        const InterfaceRecord &entry = existing.record.interface[i];
        if (options.mode != ModeChoice::automatic && options.mode != choice_of(entry.mode))
            return differs(options, "mode is", mode_name(entry.mode), choice_name(options.mode));
        if (options.tc != TcChoice::automatic &&
            entry.tc != (options.tc == TcChoice::tcx ? TcKind::tcx : TcKind::clsact))
            return differs(options, "kind of TC is", kind_name(entry.tc),
                           kind_name(options.tc == TcChoice::tcx ? TcKind::tcx : TcKind::clsact));
    }
    return Done{};
}

Result<bool> finish_upgrade(const std::string &folder, const InstanceRecord &record)
{
    if (!exists(other_programs_folder(folder)))
        return false;

    const std::string set = programs_folder(folder);
    std::array<Fd, 3> programs;
    const std::array<const char *, 3> names = {"rx_filter", "skb_rx_filter", "tx_filter"};
    for (size_t i = 0; i < names.size(); i++) {
        auto program = open_pin(fmt::format("{}/{}", set, names[i]));
        if (!program)
            return program.error();
        programs[i] = std::move(*program);
    }
    BMC_TRY(swap_programs(folder, record, {programs[0].get(), programs[1].get(), programs[2].get()},
                          [](const std::string &) { return Done{}; }));
    BMC_TRY(remove_other_set(folder));
    return true;
}

Status upgrade(const std::string &folder, const Existing &existing, const AttachOptions &options,
               const Plan &plan)
{
    const std::string coming = other_programs_folder(folder);
    const Step step = [&options](const std::string &what) -> Status {
        if (options.progress && !options.progress(what))
            return Error{
                "finish the upgrade of", options.instance, EINTR, "it goes on as it was", {}};
        return Done{};
    };

    BMC_TRY(check_hooks(folder, existing.record));
    BMC_TRY(make_folder(coming));
    ScopeGuard undo([&] {
        /* If this fails too, the next attach or detach does it. */
        static_cast<void>(finish_upgrade(folder, existing.record));
    });
    BMC_TRY(step("made the folder of the new programs"));
    const auto programs =
        Programs::load_for(folder, keep_served(plan.config, existing), options.access.allow);
    if (!programs)
        return programs.error();
    BMC_TRY(step("loaded the new programs"));
    BMC_TRY(programs->pin_set(coming));
    if (options.group)
        BMC_TRY(let_group_read_set(coming, options.group->id));
    BMC_TRY(step("pinned the new programs"));
    BMC_TRY(swap_programs(folder, existing.record, programs->entry(), step));
    BMC_TRY(exchange_folders(programs_folder(folder), coming));
    undo.commit();

    /* Whoever wants to stop now is late. */
    BMC_TRY(save_budget(folder, options.access.budget));
    static_cast<void>(step("gave the folders of both sets the name of the other"));
    BMC_TRY(remove_other_set(folder));
    static_cast<void>(step("removed the former programs"));
    return Done{};
}

} // namespace bmc
