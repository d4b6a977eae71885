// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/sink.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

namespace trafficgen
{

namespace
{

/// Held by one process at a time: an abstract socket name (unix(7)), which is the
/// network namespace's own and goes with the process.
Result<Fd> lock(const std::string &interface)
{
    const std::string name = "bmc-trafficgen-" + interface;
    sockaddr_un address = {};
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));

    address.sun_family = AF_UNIX;
    name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), size) != 0)
        return system_error("use", interface, errno,
                            errno == EADDRINUSE ? "another bmc-trafficgen sends by it" : "");
    return socket;
}

bool is_leftover(int program)
{
    bpf_prog_info info = {};
    uint32_t size = sizeof info;

    return bpf_obj_get_info_by_fd(program, &info, &size) == 0 &&
           std::string_view(info.name) == Sink::program_name;
}

/// Changes what is attached from one program to another; `after` may be -1.
int exchange_programs(int ifindex, int before, int after, uint32_t flags)
{
    LIBBPF_OPTS(bpf_xdp_attach_opts, options);

    if (before < 0)
        return bpf_xdp_attach(ifindex, after, flags | XDP_FLAGS_UPDATE_IF_NOEXIST, nullptr);
    options.old_prog_fd = before;
    return after < 0 ? bpf_xdp_detach(ifindex, flags, &options)
                     : bpf_xdp_attach(ifindex, after, flags, &options);
}

} // namespace

Result<Sink> Sink::attach(const bmc::Interface &interface, int program)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, there);
    Sink sink;

    sink.interface_ = interface.name;
    sink.ifindex_ = static_cast<int>(interface.index);
    auto locked = lock(interface.name);
    if (!locked)
        return locked.error();
    sink.lock_ = std::move(*locked);

    if (const int code = bpf_xdp_query(sink.ifindex_, 0, &there); code != 0)
        return system_error("ask for the XDP program of", interface.name, -code);
    sink.flags_ = there.attach_mode == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
    if (there.prog_id != 0) {
        sink.before_ = Fd(bpf_prog_get_fd_by_id(there.prog_id));
        if (!sink.before_)
            return system_error("open the XDP program of", interface.name, errno);
        if (is_leftover(sink.before_.get())) {
            auto pass = Reflect::load_pass();
            if (!pass)
                return pass.error();
            sink.pass_.emplace(std::move(*pass));
        }
    }
    Fd own(fcntl(program, F_DUPFD_CLOEXEC, 0));
    if (!own)
        return system_error("duplicate", "a descriptor", errno);

    int code = exchange_programs(sink.ifindex_, sink.before_.get(), program, sink.flags_);
    if (code == -EOPNOTSUPP && there.prog_id == 0) {
        sink.flags_ = XDP_FLAGS_SKB_MODE;
        code = exchange_programs(sink.ifindex_, -1, program, sink.flags_);
    }
    if (code != 0)
        return system_error("attach the sink to", interface.name, -code,
                            code == -EBUSY || code == -EEXIST
                                ? fmt::format("its XDP program (id {}) cannot be replaced: end "
                                              "what attached it",
                                              there.prog_id)
                                : "");
    sink.program_ = std::move(own); // only now is there something to undo
    return sink;
}

Sink::~Sink()
{
    static_cast<void>(restore());
}

Status Sink::restore()
{
    if (!program_)
        return Done{};
    const int before = pass_ ? pass_->program() : before_.get();
    const int code = exchange_programs(ifindex_, program_.get(), before, flags_);
    program_.close();
    // EEXIST: another program than ours is there. ENOENT, ENODEV: nothing is.
    if (code != 0 && code != -EEXIST && code != -ENOENT && code != -ENODEV)
        return system_error("put the XDP program back on", interface_, -code);
    return Done{};
}

} // namespace trafficgen
