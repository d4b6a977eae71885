// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/attached_programs.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/lib/fd.h"
#include "bmc/lib/libbpf_log.h"

namespace bmc
{

namespace
{

/// Looking a program up by its id takes CAP_SYS_ADMIN.
AttachedProgram identify(uint32_t id, uint32_t priority = 0)
{
    const Fd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info = {};
    __u32 size = sizeof info;

    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0)
        return {id, {}, priority};
    return {id, info.name, priority};
}

/// Name of the program by which libxdp runs several others (xdp-tools,
/// lib/libxdp/protocol.org).
constexpr std::string_view libxdp_dispatcher = "xdp_dispatcher";

} // namespace

std::string AttachedProgram::text() const
{
    if (id == 0)
        return fmt::format("a filter of priority {}", priority);
    return name.empty() ? fmt::format("id {}", id) : fmt::format("'{}' (id {})", name, id);
}

std::string join(const std::vector<AttachedProgram> &programs)
{
    std::vector<std::string> texts;

    for (const AttachedProgram &program : programs)
        texts.push_back(program.text());
    return fmt::format("{}", fmt::join(texts, ", "));
}

Occupied describe_occupied(const std::vector<AttachedProgram> &programs,
                           const std::string &interface)
{
    const std::string which = programs.empty() ? "" : ": " + join(programs);

    if (std::any_of(programs.begin(), programs.end(), [](const AttachedProgram &program) {
            return program.name == libxdp_dispatcher;
        }))
        return {"libxdp's dispatcher is attached" + which,
                fmt::format("use --mode tc, which runs beside it and the programs in it, unload "
                            "them (`xdp-loader unload {} --all`), or name another interface",
                            interface)};
    return {"another XDP program is attached" + which,
            fmt::format("stop what attached it (or `ip link set dev {} xdp off`), name another "
                        "interface, or use --mode tc",
                        interface)};
}

Result<std::vector<AttachedProgram>> xdp_programs_at(uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    std::vector<AttachedProgram> found;

    const LibbpfLog quiet;
    if (const int error = bpf_xdp_query(static_cast<int>(ifindex), 0, &query); error != 0)
        return Error{
            "ask for the XDP programs of", fmt::format("interface {}", ifindex), -error, {}, {}};
    for (const uint32_t id : {query.drv_prog_id, query.skb_prog_id, query.hw_prog_id})
        if (id != 0)
            found.push_back(identify(id));
    return found;
}

Result<std::vector<AttachedProgram>> tcx_programs_at(uint32_t ifindex, TcDirection direction)
{
    LIBBPF_OPTS(bpf_prog_query_opts, query);
    std::array<__u32, max_tcx_programs> ids = {};
    std::vector<AttachedProgram> found;

    query.prog_ids = ids.data();
    query.prog_cnt = ids.size();
    const auto hook = direction == TcDirection::ingress ? bpf_tcx_ingress : bpf_tcx_egress;
    if (bpf_prog_query_opts(static_cast<int>(ifindex), hook, &query) != 0) {
        /* ENOENT: nobody has attached any yet. EINVAL: no TCX. */
        if (errno == ENOENT || errno == EINVAL)
            return found;
        return Error{
            "ask for the TCX programs of", fmt::format("interface {}", ifindex), errno, {}, {}};
    }
    for (uint32_t i = 0; i < query.prog_cnt && i < ids.size(); i++)
        found.push_back(identify(ids[i]));
    return found;
}

Result<std::vector<AttachedProgram>> filters_at(uint32_t ifindex, TcDirection direction)
{
    const LibbpfLog quiet;
    const auto filters = list_filters(ifindex, direction);
    std::vector<AttachedProgram> found;

    if (!filters)
        return filters.error();
    for (const TcFilter &filter : *filters) {
        /* A classifier has an entry without a handle for itself. */
        if (filter.handle == 0)
            continue;
        const uint32_t id = filter_program(ifindex, direction, filter);
        found.push_back(id == 0 ? AttachedProgram{0, {}, filter.priority}
                                : identify(id, filter.priority));
    }
    return found;
}

} // namespace bmc
