// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/plan.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/lib/config.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/stock/plan_stock.h"

namespace bmc
{

namespace
{

Result<std::vector<Interface>> plan_interfaces(const AttachOptions &options)
{
    std::vector<Interface> found;

    for (const std::string &name : options.interfaces) {
        const auto interface = find_interface(name);
        if (!interface)
            return interface.error();
        if (std::none_of(found.begin(), found.end(),
                         [&](const Interface &other) { return other.index == interface->index; }))
            found.push_back(*interface);
    }
    if (found.size() > BMC_MAX_MACS)
        return too_many("interfaces", BMC_MAX_MACS, "--interface");
    return found;
}

/// "eth0 has 10.0.0.1, fd00::1; eth1 has none"; nothing of one that is not there.
Result<std::string> describe_addresses(const std::vector<std::string> &interfaces)
{
    std::vector<std::string> parts;

    for (const std::string &name : interfaces) {
        if (!find_interface(name))
            continue;
        const auto addresses = interface_addresses({name});
        if (!addresses)
            return addresses.error();
        std::vector<std::string> texts;
        for (const Address &address : *addresses)
            texts.push_back(address.text());
        parts.push_back(fmt::format(
            "{} has {}", name, texts.empty() ? "none" : fmt::format("{}", fmt::join(texts, ", "))));
    }
    return fmt::format("{}", fmt::join(parts, "; "));
}

} // namespace

Result<std::vector<Address>> plan_addresses(const AttachOptions &options,
                                            const std::vector<VlanDevice> &vlans)
{
    std::vector<std::string> names = options.interfaces;
    for (const VlanDevice &vlan : vlans)
        if (std::find(names.begin(), names.end(), vlan.parent) != names.end())
            names.push_back(vlan.name);

    for (const Address &address : options.addresses) {
        const auto local = is_local(address);
        if (!local)
            return local.error();
        if (*local)
            continue;
        const auto own = describe_addresses(names);
        return Error{"serve the address",
                     address.text(),
                     0,
                     fmt::format("no interface of this network namespace has it; {}",
                                 own ? *own : own.error().line()),
                     {}};
    }
    return options.addresses.empty() ? interface_addresses(names) : options.addresses;
}

Result<Plan> make_plan(const AttachOptions &options, const Features &features)
{
    Plan plan;

    BMC_TRY(check_instance_name(options.instance));
    BMC_TRY(features.privilege(Work::attach));
    BMC_TRY(features.bpffs());
    BMC_TRY(features.btf());

    auto interfaces = plan_interfaces(options);
    if (!interfaces)
        return interfaces.error();
    plan.interfaces = std::move(*interfaces);

    Surroundings surroundings;
    surroundings.vlans = vlan_devices();
    auto addresses = plan_addresses(options, surroundings.vlans);
    if (!addresses)
        return addresses.error();
    plan.addresses = std::move(*addresses);

    const auto available = available_memory();
    if (!available)
        return available.error();
    BMC_TRY(check_memory(options.memory, *available));
    plan.split = split_memory(options.memory, options.origin);

    auto broadcast = broadcast_addresses();
    if (!broadcast)
        return broadcast.error();
    surroundings.broadcast4 = std::move(*broadcast);
    const auto config = make_config(plan.interfaces, options.ports, plan.addresses, plan.split,
                                    surroundings, options.mode);
    if (!config)
        return config.error();
    plan.config = *config;

    const auto here = network_namespace();
    if (!here)
        return here.error();
    plan.network_namespace = *here;
    if (options.origin == OriginKind::stock) {
        const auto stock = plan_stock(options.ports, options.stock, *here);
        if (!stock)
            return stock.error();
        plan.config.stock = *stock;
    }
    plan.use_tcx =
        options.tc == TcChoice::tcx || (options.tc == TcChoice::automatic && features.tcx());
    return plan;
}

Result<std::optional<std::string>> instance_at(const std::string &pin_root, uint32_t ifindex,
                                               uint64_t network_namespace)
{
    const auto names = list_instances(pin_root);
    if (!names)
        return names.error();

    for (const std::string &name : *names) {
        const auto map = RecordMap::open(instance_folder(pin_root, name));
        const auto record = map ? map->load() : map.error();
        if (!record || record->network_namespace != network_namespace)
            continue; /* if it is in the way, the kernel will say so */
        for (uint32_t i = 0; i < record->interface_count; i++)
            if (record->interface[i].ifindex == ifindex)
                return std::optional<std::string>(name);
    }
    return std::optional<std::string>();
}

} // namespace bmc
