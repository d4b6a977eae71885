// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/hooks.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "bmc/lib/devices.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/libbpf_log.h"
#include "bmc/lib/pins.h"

namespace bmc
{

namespace
{

/// A place where a program of an instance is attached.
struct Hook {
    const InterfaceRecord &interface;
    std::optional<TcDirection> direction; ///< none: XDP

    bool is_filter() const { return direction && interface.tc == TcKind::clsact; }

    TcFilter filter() const
    {
        return *direction == TcDirection::ingress ? interface.ingress : interface.egress;
    }

    std::string pin_of_link() const
    {
        return direction ? pin_tc_link(interface.ifindex, *direction)
                         : pin_xdp_link(interface.ifindex);
    }

    const char *program_name() const
    {
        if (!direction)
            return "rx_filter";
        return *direction == TcDirection::ingress ? "skb_rx_filter" : "tx_filter";
    }

    int program(const EntryPrograms &programs) const
    {
        if (!direction)
            return programs.rx_filter;
        return *direction == TcDirection::ingress ? programs.skb_rx_filter : programs.tx_filter;
    }

    std::string text() const
    {
        return direction ? fmt::format("TC {} of {}", direction_name(*direction), interface.name)
                         : fmt::format("XDP of {}", interface.name);
    }
};

/// Those of the interfaces that are still there, in the order of swap_programs().
Result<std::vector<Hook>> hooks_of(const std::string &folder, const InstanceRecord &record)
{
    const auto devices = DeviceMap::open(folder);
    if (!devices)
        return devices.error();

    std::vector<Hook> hooks;
    const std::array<std::optional<TcDirection>, 3> order = {TcDirection::ingress, std::nullopt,
                                                             TcDirection::egress};
    for (const auto &direction : order)
        for (uint32_t i = 0; i < record.interface_count; i++) {
            const InterfaceRecord &interface = record.interface[i];
            if (devices->has(interface.ifindex) && (direction || interface.mode != Mode::tc))
                hooks.push_back({interface, direction});
        }
    return hooks;
}

bool is_filter_ours(const std::string &folder, const Hook &hook)
{
    const auto ours = program_ids(folder, hook.program_name());
    const uint32_t id = filter_program(hook.interface.ifindex, *hook.direction, hook.filter());

    return std::find(ours.begin(), ours.end(), id) != ours.end();
}

/// The pinned link of a hook, unless somebody has detached it.
std::optional<Fd> live_link(const std::string &folder, const Hook &hook)
{
    auto link = open_pin(folder + "/" + hook.pin_of_link());
    bpf_link_info info = {};
    __u32 size = sizeof info;

    /* The index comes first for TCX links too, which libbpf 1.1 does not know. */
    if (!link || bpf_obj_get_info_by_fd(link->get(), &info, &size) != 0 || info.xdp.ifindex == 0)
        return std::nullopt;
    return std::move(*link);
}

Status swap(const std::string &folder, const Hook &hook, int program)
{
    if (hook.is_filter()) {
        if (!is_filter_ours(folder, hook))
            return Done{};
        Interface interface;
        interface.name = hook.interface.name;
        interface.index = hook.interface.ifindex;
        return replace_filter(interface, *hook.direction, hook.filter(), program);
    }
    const auto link = live_link(folder, hook);
    if (link && bpf_link_update(link->get(), program, nullptr) != 0 && errno != ENOLINK)
        return Error{"change the program at", hook.text(), errno, {}, {}};
    return Done{};
}

} // namespace

Status check_hooks(const std::string &folder, const InstanceRecord &record)
{
    const LibbpfLog quiet;
    const auto hooks = hooks_of(folder, record);

    if (!hooks)
        return hooks.error();
    for (const Hook &hook : *hooks)
        if (hook.is_filter() ? !is_filter_ours(folder, hook) : !live_link(folder, hook))
            return Error{"find our program at",
                         hook.text(),
                         0,
                         "somebody else has taken it off; detach and attach again",
                         {}};
    return Done{};
}

Status swap_programs(const std::string &folder, const InstanceRecord &record,
                     const EntryPrograms &programs, const Step &step)
{
    const LibbpfLog quiet;
    const auto hooks = hooks_of(folder, record);

    if (!hooks)
        return hooks.error();
    for (const Hook &hook : *hooks) {
        BMC_TRY(swap(folder, hook, hook.program(programs)));
        BMC_TRY(step("changed the program at " + hook.text()));
    }
    return Done{};
}

} // namespace bmc
