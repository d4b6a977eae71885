// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/attach.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>

#include <fmt/format.h>

#include "bmc/lib/cache_reader.h"
#include "bmc/lib/control.h"
#include "bmc/lib/devices.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/libbpf_log.h"
#include "bmc/lib/origin.h"
#include "bmc/lib/pins.h"
#include "bmc/lib/plan.h"
#include "bmc/lib/programs.h"
#include "bmc/lib/scope_guard.h"
#include "bmc/lib/upgrade.h"
#include "bmc/lib/xdp.h"

namespace bmc
{

namespace
{

/// The error for an interface that another instance serves.
Status check_free(const PinRoot &root, const Plan &plan)
{
    for (const Interface &interface : plan.interfaces) {
        const auto other = instance_at(root.path(), interface.index, plan.network_namespace);
        if (!other)
            return other.error();
        if (*other)
            return Error{"attach to",
                         interface.name,
                         EBUSY,
                         fmt::format("the instance '{0}' serves it; remove that with `bmc "
                                     "detach --instance {0}`",
                                     **other),
                         {}};
    }
    return Done{};
}

/// Takes the instance for this process if it wants to hold it.
Status hold(const AttachOptions &options, const std::string &folder, Attached &made)
{
    if (!options.hold)
        return Done{};
    auto lock = try_lock_folder(run_folder(folder));
    if (!lock)
        return lock.error();
    if (!*lock)
        return Error{"run the instance",
                     fmt::format("'{}'", options.instance),
                     0,
                     "another `bmc run` does; end that, give another --instance, or upgrade it "
                     "with `bmc attach`",
                     {}};
    made.hold = std::move(**lock);
    return Done{};
}

/// The work of one attach() within the folder of an instance in the making.
class Builder
{
  public:
    Builder(const AttachOptions &options, const Plan &plan, std::string folder)
        : options_(options), plan_(plan), folder_(std::move(folder))
    {
    }

    Status build()
    {
        BMC_TRY(make_folder(programs_folder(folder_)));
        BMC_TRY(make_folder(run_folder(folder_)));
        BMC_TRY(step_done("made the folder"));
        BMC_TRY(start_record());
        BMC_TRY(step_done("started the record"));
        BMC_TRY(step_done(fmt::format("taking {} of memory and loading the programs",
                                      format_size(options_.memory))));
        const auto programs = Programs::load(plan_.config, options_.access.allow, plan_.split,
                                             plan_.network_namespace);
        if (!programs)
            return programs.error();
        BMC_TRY(step_done("loaded the programs"));
        BMC_TRY(programs->pin_maps(folder_));
        BMC_TRY(step_done("pinned the maps"));
        BMC_TRY(programs->pin_set(programs_folder(folder_)));
        BMC_TRY(step_done("pinned the programs"));

        for (const Interface &interface : plan_.interfaces)
            BMC_TRY(attach_interface(interface, programs->entry()));
        if (options_.group) {
            BMC_TRY(let_group_read(folder_, options_.group->id));
            BMC_TRY(step_done(fmt::format("gave the maps to the group {}", options_.group->name)));
        }
        return Done{};
    }

    const InstanceRecord &record() const { return record_; }

  private:
    struct TcProgram {
        TcDirection direction;
        int fd;
    };

    /// Reports a step; an error if the caller wants no more of them.
    Status step_done(const std::string &what) const
    {
        if (options_.progress && !options_.progress(what))
            return Error{
                "finish the attach of", options_.instance, EINTR, "everything was undone", {}};
        return Done{};
    }

    Status save_record() const { return map_->save(record_); }

    Status start_record()
    {
        auto map = RecordMap::create(folder_);
        if (!map)
            return map.error();
        auto devices = DeviceMap::create(folder_);
        if (!devices)
            return devices.error();
        map_ = std::move(*map);
        devices_ = std::move(*devices);
        record_.version = record_version;
        record_.network_namespace = plan_.network_namespace;
        record_.memory_bytes = plan_.split.bytes();
        record_.budget = plan_.config.budget;
        return save_record();
    }

    Status attach_interface(const Interface &interface, const EntryPrograms &programs)
    {
        /* First, so that whatever follows can be found and removed. */
        BMC_TRY(devices_->add(interface.index));
        InterfaceRecord &entry = record_.interface[record_.interface_count++];
        interface.name.copy(entry.name, sizeof entry.name - 1);
        entry.ifindex = interface.index;
        entry.mode = Mode::tc;
        BMC_TRY(save_record());
        BMC_TRY(step_done("noted " + interface.name));

        if (options_.mode != ModeChoice::tc)
            BMC_TRY(attach_to_xdp(interface, entry, programs.rx_filter));
        const std::array<TcProgram, 2> tc = {{
            {TcDirection::ingress, programs.skb_rx_filter},
            {TcDirection::egress, programs.tx_filter},
        }};
        return plan_.use_tcx ? add_links(interface, entry, tc) : add_filters(interface, entry, tc);
    }

    Status attach_to_xdp(const Interface &interface, InterfaceRecord &entry, int program)
    {
        const auto made = attach_xdp(program, interface, options_.mode);
        if (!made)
            return made.error();
        BMC_TRY(step_done("attached XDP to " + interface.name));
        BMC_TRY(pin(made->link.get(), folder_ + "/" + pin_xdp_link(interface.index)));
        entry.mode = made->mode;
        BMC_TRY(save_record());
        return step_done("pinned the XDP link of " + interface.name);
    }

    Status add_links(const Interface &interface, InterfaceRecord &entry,
                     const std::array<TcProgram, 2> &programs)
    {
        entry.tc = TcKind::tcx;
        BMC_TRY(save_record());
        for (const TcProgram &program : programs) {
            const char *const direction = direction_name(program.direction);
            const auto link = attach_tcx(program.fd, interface, program.direction);
            if (!link)
                return link.error();
            BMC_TRY(
                step_done(fmt::format("attached TC {} (tcx) to {}", direction, interface.name)));
            BMC_TRY(
                pin(link->get(), folder_ + "/" + pin_tc_link(interface.index, program.direction)));
            BMC_TRY(
                step_done(fmt::format("pinned the TC {} link of {}", direction, interface.name)));
        }
        return Done{};
    }

    /// Qdisc and filters go into the record before they are made.
    Status add_filters(const Interface &interface, InterfaceRecord &entry,
                       const std::array<TcProgram, 2> &programs)
    {
        const LibbpfLog quiet;
        const auto present = has_clsact(interface.index);
        if (!present)
            return present.error();
        for (const TcProgram &program : programs) {
            const auto filter = choose_filter(interface, program.direction);
            if (!filter)
                return filter.error();
            filter_of(entry, program.direction) = *filter;
        }
        entry.tc = TcKind::clsact;
        entry.qdisc_added = *present ? 0 : 1;
        BMC_TRY(save_record());

        if (!*present) {
            BMC_TRY(add_clsact(interface));
            BMC_TRY(step_done("added a clsact qdisc to " + interface.name));
        }
        for (const TcProgram &program : programs) {
            BMC_TRY(add_filter(interface, program.direction, filter_of(entry, program.direction),
                               program.fd));
            BMC_TRY(step_done(fmt::format("attached TC {} (clsact) to {}",
                                          direction_name(program.direction), interface.name)));
        }
        return Done{};
    }

    static TcFilter &filter_of(InterfaceRecord &entry, TcDirection direction)
    {
        return direction == TcDirection::ingress ? entry.ingress : entry.egress;
    }

    const AttachOptions &options_;
    const Plan &plan_;
    const std::string folder_;
    InstanceRecord record_ = {};
    std::optional<RecordMap> map_;
    std::optional<DeviceMap> devices_;
};

/// Attaches an instance whose name is free, with the lock on the root.
Result<Attached> attach_new(const PinRoot &root, const AttachOptions &options, const Plan &plan)
{
    const std::string staging = attaching_folder(root.path(), options.instance);
    Attached made;

    BMC_TRY(make_folder(staging));
    ScopeGuard undo([&staging] {
        /* If this fails too, the next attach or detach removes the rest. */
        static_cast<void>(remove_instance(staging));
    });

    Builder builder(options, plan, staging);
    BMC_TRY(builder.build());
    if (options.group)
        BMC_TRY(root.let_others_pass());
    BMC_TRY(hold(options, staging, made));
    const auto id = instance_id(staging);
    if (!id)
        return id.error();
    made.folder = instance_folder(root.path(), options.instance);
    if (std::rename(staging.c_str(), made.folder.c_str()) != 0)
        return Error{"give the folder its name", made.folder, errno, {}, {}};
    undo.commit();

    made.id = *id;
    made.record = builder.record();
    made.split = plan.split;
    made.addresses = plan.addresses;
    return made;
}

/// The same; if a driver has no XDP and nobody wanted it, without XDP.
Result<Attached> attach_in_some_mode(const PinRoot &root, const AttachOptions &options,
                                     const Features &features, const Plan &plan)
{
    auto made = attach_new(root, options, plan);
    if (made || made.error().code != EOPNOTSUPP || options.mode != ModeChoice::automatic)
        return made;

    /* Everything was undone. All interfaces change: each request is to be seen once. */
    AttachOptions without = options;
    without.mode = ModeChoice::tc;
    const auto other_plan = make_plan(without, features);
    if (!other_plan)
        return other_plan.error();
    auto instead = attach_new(root, without, *other_plan);
    if (instead)
        instead->notes.push_back(
            fmt::format("no native XDP for {}: TC ingress answers instead", made.error().object));
    return instead;
}

/// Upgrades an instance that is attached, with the lock on the root.
Result<Attached> take_over(const PinRoot &root, const AttachOptions &options,
                           const Features &features, const std::string &folder,
                           const Existing &existing, const Plan &plan)
{
    Attached taken;

    BMC_TRY(hold(options, folder, taken));
    BMC_TRY(check_same(existing, options, plan));
    const auto finished = finish_upgrade(folder, existing.record);
    if (!finished)
        return finished.error();
    if (*finished)
        taken.notes.push_back(
            fmt::format("cleared up after an interrupted upgrade of '{}'", options.instance));

    AttachOptions same = options;
    same.mode = choice_of(existing.record.interface[0].mode);
    const auto plan_for_mode = make_plan(same, features);
    if (!plan_for_mode)
        return plan_for_mode.error();
    /* Before anything that cannot be undone: the process may have no right to. */
    if (options.group) {
        BMC_TRY(let_group_read(folder, options.group->id));
        BMC_TRY(root.let_others_pass());
    } else {
        BMC_TRY(let_owner_read(folder));
    }
    BMC_TRY(upgrade(folder, existing, same, *plan_for_mode));

    const auto id = instance_id(folder);
    if (!id)
        return id.error();
    const auto reader = CacheReader::open(options.instance, options.pin_root);
    if (!reader)
        return reader.error();
    taken.folder = folder;
    taken.id = *id;
    taken.record = existing.record;
    taken.split = existing.split;
    taken.addresses = served_addresses(existing.control.served);
    taken.kept = reader->entry_count();
    taken.origin = find_origin(folder);
    return taken;
}

/// Detaches an instance that this bmc cannot take over.
Status remove_other_layout(const PinRoot &root, const std::string &instance)
{
    const std::string folder = instance_folder(root.path(), instance);

    if (is_folder_locked(run_folder(folder)))
        return Error{"upgrade the instance",
                     fmt::format("'{}'", instance),
                     0,
                     "its memory has another layout, and a `bmc run` holds it: restart that, then "
                     "memcached-sr",
                     {}};
    return retire_instance(root, instance);
}

} // namespace

Result<Attached> attach(const AttachOptions &options, const Features &features)
{
    const auto plan = make_plan(options, features);
    if (!plan)
        return plan.error();

    const auto root = PinRoot::lock(options.pin_root, PinRoot::Missing::create);
    if (!root)
        return root.error();
    const auto leftovers = remove_leftovers(*root);
    if (!leftovers)
        return leftovers.error();
    std::vector<std::string> notes;
    for (const Leftover &leftover : *leftovers) {
        if (!leftover.removed && leftover.instance == options.instance)
            return leftover.removed.error();
        notes.push_back(describe(leftover));
    }

    if (const auto exposed = exposure(plan->addresses, options.access))
        notes.push_back("warning: " + exposed->line());

    const std::string folder = instance_folder(root->path(), options.instance);
    const auto finish = [&notes](Result<Attached> made) {
        if (made)
            made->notes.insert(made->notes.begin(), notes.begin(), notes.end());
        return made;
    };
    if (exists(folder)) {
        if (!is_instance(folder))
            return Error{"attach the instance",
                         fmt::format("'{}'", options.instance),
                         0,
                         fmt::format("the folder {} is there, and bmc did not make it; remove it, "
                                     "or give another --instance",
                                     folder),
                         {}};
        const auto existing = read_existing(folder);
        if (!existing)
            return existing.error();
        if (*existing)
            return finish(take_over(*root, options, features, folder, **existing, *plan));
        BMC_TRY(remove_other_layout(*root, options.instance));
        notes.push_back(fmt::format("another version of bmc had attached '{}', with another layout "
                                    "of its memory: the cache begins empty",
                                    options.instance));
    }

    BMC_TRY(check_free(*root, *plan));
    const auto available = available_memory();
    if (!available)
        return available.error();
    BMC_TRY(check_memory(options.memory, *available));
    for (const uint32_t pid : orphaned_origins(root->path(), options.instance))
        notes.push_back(fmt::format("memcached-sr with pid {} is the origin of an earlier "
                                    "'{}' that was detached: restart it",
                                    pid, options.instance));
    return finish(attach_in_some_mode(*root, options, features, *plan));
}

} // namespace bmc
