// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/tc.h"

#include <algorithm>
#include <cerrno>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

namespace bmc
{

namespace
{

/// BPF_F_BEFORE of Linux 6.6's uapi/linux/bpf.h: without a relative program,
/// before all that are there.
constexpr uint32_t bpf_f_before = 1U << 3;

/// Handle of our filters: "bmc".
constexpr uint32_t filter_handle = 0x626d63;

/// TC priorities are 16 bits; 0 means that the kernel chooses.
constexpr uint32_t max_priority = 0xffff;

bpf_tc_attach_point point_of(TcDirection direction)
{
    return direction == TcDirection::ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

bpf_tc_hook hook_of(uint32_t ifindex, bpf_tc_attach_point point)
{
    bpf_tc_hook hook = {};

    hook.sz = sizeof hook;
    hook.ifindex = static_cast<int>(ifindex);
    hook.attach_point = point;
    return hook;
}

bpf_tc_opts options_of(TcFilter filter)
{
    bpf_tc_opts options = {};

    options.sz = sizeof options;
    options.handle = filter.handle;
    options.priority = filter.priority;
    return options;
}

Status set_filter(const char *verb, const Interface &interface, TcDirection direction,
                  TcFilter filter, int program, uint32_t flags)
{
    const bpf_tc_hook hook = hook_of(interface.index, point_of(direction));
    bpf_tc_opts options = options_of(filter);

    options.prog_fd = program;
    options.flags = flags;
    const int error = bpf_tc_attach(&hook, &options);
    if (error != 0)
        return Error{fmt::format("{} a TC {} filter (clsact, priority {}) at", verb,
                                 direction_name(direction), filter.priority),
                     interface.name,
                     -error,
                     "the kernel needs CONFIG_NET_CLS_BPF",
                     {}};
    return Done{};
}

} // namespace

const char *kind_name(TcKind kind)
{
    switch (kind) {
    case TcKind::tcx:
        return "tcx";
    case TcKind::clsact:
        return "clsact";
    case TcKind::none:
        break;
    }
    return "none";
}

const char *direction_name(TcDirection direction)
{
    return direction == TcDirection::ingress ? "ingress" : "egress";
}

Result<Fd> attach_tcx(int program, const Interface &interface, TcDirection direction)
{
    LIBBPF_OPTS(bpf_link_create_opts, options);

    options.flags = bpf_f_before;
    Fd link(bpf_link_create(program, static_cast<int>(interface.index),
                            direction == TcDirection::ingress ? bpf_tcx_ingress : bpf_tcx_egress,
                            &options));
    if (link)
        return link;

    const int code = errno;
    std::string hint;
    if (code == EINVAL)
        hint = "TCX needs Linux 6.6; use --tc clsact";
    else if (code == ERANGE)
        hint = fmt::format("{} programs are attached there already, which is all that fit; use "
                           "--tc clsact",
                           max_tcx_programs);
    return Error{fmt::format("attach TC {} (tcx) to", direction_name(direction)),
                 interface.name,
                 code,
                 std::move(hint),
                 {}};
}

Status add_clsact(const Interface &interface)
{
    bpf_tc_hook hook = hook_of(interface.index, BPF_TC_EGRESS);
    const int error = bpf_tc_hook_create(&hook);

    if (error == -EEXIST)
        return Error{"add a clsact qdisc to",
                     interface.name,
                     EEXIST,
                     "an ingress qdisc is in its place; remove it (`tc qdisc del dev " +
                         interface.name + " ingress`) or use --tc tcx",
                     {}};
    if (error != 0)
        return Error{"add a clsact qdisc to",
                     interface.name,
                     -error,
                     "the kernel needs CONFIG_NET_SCH_INGRESS",
                     {}};
    return Done{};
}

Result<TcFilter> choose_filter(const Interface &interface, TcDirection direction)
{
    const auto filters = list_filters(interface.index, direction);

    if (!filters)
        return filters.error();
    for (uint32_t priority = 1; priority <= max_priority; priority++) {
        const auto uses = [priority](const TcFilter &other) { return other.priority == priority; };
        if (std::none_of(filters->begin(), filters->end(), uses))
            return TcFilter{filter_handle, priority};
    }
    return Error{"attach a TC filter to", interface.name, ENOSPC, "every priority is in use", {}};
}

Status add_filter(const Interface &interface, TcDirection direction, TcFilter filter, int program)
{
    return set_filter("attach", interface, direction, filter, program, 0);
}

Status replace_filter(const Interface &interface, TcDirection direction, TcFilter filter,
                      int program)
{
    return set_filter("replace", interface, direction, filter, program, BPF_TC_F_REPLACE);
}

uint32_t filter_program(uint32_t ifindex, TcDirection direction, TcFilter filter)
{
    const bpf_tc_hook hook = hook_of(ifindex, point_of(direction));
    bpf_tc_opts query = options_of(filter);

    return bpf_tc_query(&hook, &query) == 0 ? query.prog_id : 0;
}

Status remove_filters(uint32_t ifindex, TcDirection direction,
                      const std::vector<uint32_t> &program_ids)
{
    const auto filters = list_filters(ifindex, direction);

    if (!filters)
        return filters.error();
    for (const TcFilter &filter : *filters) {
        if (filter.handle != filter_handle)
            continue;
        /* 0: not a BPF filter. */
        const uint32_t id = filter_program(ifindex, direction, filter);
        if (std::find(program_ids.begin(), program_ids.end(), id) == program_ids.end())
            continue;
        const bpf_tc_hook hook = hook_of(ifindex, point_of(direction));
        const bpf_tc_opts removal = options_of(filter);
        const int error = bpf_tc_detach(&hook, &removal);
        if (error != 0)
            return Error{"remove our TC filter from",
                         fmt::format("interface {}", ifindex),
                         -error,
                         fmt::format("`tc filter show` names it at {}, priority {}",
                                     direction_name(direction), filter.priority),
                         {}};
    }
    return Done{};
}

Status remove_empty_clsact(uint32_t ifindex)
{
    const auto present = has_clsact(ifindex);
    if (!present)
        return present.error();
    if (!*present)
        return Done{};
    for (const TcDirection direction : {TcDirection::ingress, TcDirection::egress}) {
        const auto filters = list_filters(ifindex, direction);
        if (!filters)
            return filters.error();
        if (!filters->empty())
            return Done{};
    }

    bpf_tc_hook hook =
        hook_of(ifindex, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
    const int error = bpf_tc_hook_destroy(&hook);
    if (error != 0)
        return Error{
            "remove our clsact qdisc from", fmt::format("interface {}", ifindex), -error, {}, {}};
    return Done{};
}

} // namespace bmc
