// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/attach.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <sys/stat.h>

#include <fmt/format.h>

#include "bmc/lib/devices.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/libbpf_log.h"
#include "bmc/lib/origin.h"
#include "bmc/lib/pins.h"
#include "bmc/lib/plan.h"
#include "bmc/lib/programs.h"
#include "bmc/lib/scope_guard.h"
#include "bmc/lib/stock/hooks.h"
#include "bmc/lib/stock/plan_stock.h"
#include "bmc/lib/stock/record.h"
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

/// The error for a name that is taken.
Error already_attached(const std::string &instance, const std::string &folder)
{
    const auto failed = [&instance](std::string hint) {
        return Error{"attach the instance", fmt::format("'{}'", instance), 0, std::move(hint), {}};
    };

    if (!is_instance(folder))
        return failed(fmt::format("the folder {} is there, and bmc did not make it; remove it, or "
                                  "give another --instance",
                                  folder));
    if (const auto origin = find_origin(folder))
        return failed(fmt::format("it is attached already, and {1} is its origin; end that, then "
                                  "`bmc detach --instance {0}`, or give another --instance",
                                  instance, origin->text()));
    return failed(fmt::format("it is attached already; remove it with `bmc detach --instance {}`, "
                              "or give another --instance",
                              instance));
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
        BMC_TRY(step_done("made the folder"));
        BMC_TRY(start_record());
        BMC_TRY(step_done("started the record"));
        const auto programs = Programs::load(plan_.config, plan_.split, plan_.network_namespace);
        if (!programs)
            return programs.error();
        BMC_TRY(step_done("loaded the programs"));
        BMC_TRY(programs->pin_maps(folder_));
        BMC_TRY(step_done("pinned the maps"));
        BMC_TRY(programs->pin_programs(folder_));
        BMC_TRY(step_done("pinned the programs"));
        if (options_.origin == OriginKind::stock) {
            BMC_TRY(record_stock());
            BMC_TRY(attach_connection_hooks(folder_));
            BMC_TRY(step_done("attached to the TCP connections of memcached"));
        }

        for (const Interface &interface : plan_.interfaces)
            BMC_TRY(attach_interface(interface, *programs));
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
        return save_record();
    }

    Status record_stock() const
    {
        const auto map = StockRecordMap::create(folder_);
        if (!map)
            return map.error();
        return map->save(make_record(plan_.config.stock, options_.stock));
    }

    Status attach_interface(const Interface &interface, const Programs &programs)
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
            BMC_TRY(attach_to_xdp(interface, entry, programs.rx_filter()));
        const std::array<TcProgram, 2> tc = {{
            {TcDirection::ingress, programs.skb_rx_filter()},
            {TcDirection::egress, programs.tx_filter()},
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

Result<Attached> attach_in_mode(const AttachOptions &options, const Features &features)
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

    Attached made;
    for (const Leftover &leftover : *leftovers) {
        if (!leftover.removed && leftover.instance == options.instance)
            return leftover.removed.error();
        made.notes.push_back(describe(leftover));
    }

    made.folder = instance_folder(root->path(), options.instance);
    if (exists(made.folder))
        return already_attached(options.instance, made.folder);
    BMC_TRY(check_free(*root, *plan));
    for (const uint32_t pid : orphaned_origins(root->path(), options.instance))
        made.notes.push_back(fmt::format("memcached-sr with pid {} is the origin of an earlier "
                                         "'{}' that was detached: restart it",
                                         pid, options.instance));

    const std::string staging = attaching_folder(root->path(), options.instance);
    if (mkdir(staging.c_str(), 0700) != 0)
        return Error{"make the folder", staging, errno, {}, {}};
    ScopeGuard undo([&staging] {
        /* If this fails too, the next attach or detach removes the rest. */
        static_cast<void>(remove_instance(staging));
    });

    Builder builder(options, *plan, staging);
    BMC_TRY(builder.build());
    const auto id = instance_id(staging);
    if (!id)
        return id.error();
    if (std::rename(staging.c_str(), made.folder.c_str()) != 0)
        return Error{"give the folder its name", made.folder, errno, {}, {}};
    undo.commit();

    made.id = *id;
    made.record = builder.record();
    made.split = plan->split;
    made.addresses = plan->addresses;
    return made;
}

} // namespace

Result<Attached> attach(const AttachOptions &options, const Features &features)
{
    if (options.mode != ModeChoice::automatic)
        return attach_in_mode(options, features);

    AttachOptions chosen = options;
    chosen.mode = ModeChoice::native;
    auto made = attach_in_mode(chosen, features);
    if (made || made.error().code != EOPNOTSUPP)
        return made;
    /* Everything was undone. All interfaces change: each request is to be seen once. */
    chosen.mode = ModeChoice::tc;
    auto instead = attach_in_mode(chosen, features);
    if (instead)
        instead->notes.push_back(
            fmt::format("no native XDP for {}: TC ingress answers instead", made.error().object));
    return instead;
}

} // namespace bmc
