// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/xdp.h"

#include <cerrno>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>

#include "bmc/lib/attached_programs.h"

namespace bmc
{

namespace
{

/// Who is there already, and what to do, as far as the kernel tells.
std::string occupied(const Interface &interface)
{
    const auto programs = xdp_programs_at(interface.index);
    const Occupied found =
        describe_occupied(programs ? *programs : std::vector<AttachedProgram>(), interface.name);

    return found.message + "; " + found.advice;
}

Error attach_error(const Interface &interface, Mode mode, int code)
{
    std::string hint;

    switch (code) {
    case EBUSY:
    case EEXIST:
        hint = occupied(interface);
        break;
    case EOPNOTSUPP:
        hint = "its driver has no native XDP; use --mode generic or tc";
        break;
    case ERANGE:
    case EINVAL:
        hint = fmt::format(
            "the driver refuses, most likely because of the MTU of {}; lower it on both "
            "ends, or use --mode generic or tc",
            interface.mtu);
        break;
    default:
        break;
    }
    return {fmt::format("attach XDP ({} mode) to", mode_name(mode)),
            interface.name,
            code,
            std::move(hint),
            {}};
}

} // namespace

Result<XdpLink> attach_xdp(int program, const Interface &interface, ModeChoice choice)
{
    const auto attach = [&](Mode mode) {
        LIBBPF_OPTS(bpf_link_create_opts, options);
        options.flags = mode == Mode::native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
        return Fd(bpf_link_create(program, static_cast<int>(interface.index), BPF_XDP, &options));
    };
    XdpLink made;

    made.mode = choice == ModeChoice::generic ? Mode::generic : Mode::native;
    made.link = attach(made.mode);
    if (!made.link)
        return attach_error(interface, made.mode, errno);
    return made;
}

} // namespace bmc
