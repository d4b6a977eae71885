// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/features.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/magic.h>

#include "bmc/lib/fd.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/libbpf_log.h"
#include "bmc/lib/tc.h"

namespace bmc
{

namespace
{

constexpr uint64_t capability(unsigned number)
{
    return uint64_t{1} << number;
}

/// mov r0, 0; exit.
constexpr bpf_insn smallest_program[] = {
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
};

Fd load_smallest(bpf_prog_type type, uint32_t flags = 0)
{
    LIBBPF_OPTS(bpf_prog_load_opts, options);

    options.prog_flags = flags;
    return Fd(bpf_prog_load(type, "bmc_probe", "GPL", smallest_program,
                            sizeof smallest_program / sizeof smallest_program[0], &options));
}

bool has_map(bpf_map_type type)
{
    return libbpf_probe_bpf_map_type(type, nullptr) == 1;
}

bool has_helper(bpf_prog_type type, bpf_func_id helper)
{
    return libbpf_probe_bpf_helper(type, helper, nullptr) == 1;
}

bool has_mapped_arrays()
{
    LIBBPF_OPTS(bpf_map_create_opts, options);

    options.map_flags = BPF_F_MMAPABLE;
    return static_cast<bool>(Fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "bmc_probe", sizeof(uint32_t),
                                               sizeof(uint64_t), 1, &options)));
}

} // namespace

Status Features::btf() const
{
    struct stat info = {};

    if (stat(paths_.btf.c_str(), &info) != 0)
        return Error{"read the kernel's type information",
                     paths_.btf,
                     errno,
                     "bmc needs a kernel with CONFIG_DEBUG_INFO_BTF=y",
                     {}};
    return Done{};
}

Status Features::bpffs() const
{
    struct statfs info = {};
    const std::string hint = fmt::format("mount it with `mount -t bpf bpf {}`", paths_.bpffs);

    if (statfs(paths_.bpffs.c_str(), &info) != 0)
        return Error{"use the BPF file system", paths_.bpffs, errno, hint, {}};
    if (static_cast<uint32_t>(info.f_type) != BPF_FS_MAGIC)
        return Error{
            "use the BPF file system", paths_.bpffs, 0, "none is mounted there; " + hint, {}};
    return Done{};
}

uint64_t Features::capabilities() const
{
    std::ifstream file(paths_.process_status);
    std::string word;
    uint64_t effective = 0;

    while (file >> word) {
        if (word == "CapEff:") {
            file >> std::hex >> effective;
            break;
        }
    }
    return effective;
}

bool Features::may_give_to(gid_t group) const
{
    std::vector<gid_t> groups(static_cast<size_t>(std::max(getgroups(0, nullptr), 0)));

    groups.resize(static_cast<size_t>(
        std::max(getgroups(static_cast<int>(groups.size()), groups.data()), 0)));
    return group == getegid() || std::find(groups.begin(), groups.end(), group) != groups.end() ||
           (capabilities() & capability(CAP_CHOWN)) != 0;
}

Status Features::privilege(Work work) const
{
    struct Need {
        const char *operation;
        uint64_t bpf; ///< or CAP_SYS_ADMIN
        uint64_t other;
        const char *names;
    };
    const auto need = [work]() -> Need {
        constexpr uint64_t bpf = capability(CAP_BPF);
        constexpr uint64_t net_admin = capability(CAP_NET_ADMIN);

        switch (work) {
        case Work::detach:
            return {"detach programs", bpf, net_admin, "CAP_BPF and CAP_NET_ADMIN"};
        case Work::attach:
            break;
        }
        return {"load BPF programs", bpf | capability(CAP_PERFMON), net_admin,
                "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"};
    }();

    const uint64_t effective = capabilities();
    const bool bpf =
        (effective & need.bpf) == need.bpf || (effective & capability(CAP_SYS_ADMIN)) != 0;

    if (!bpf || (effective & need.other) != need.other)
        return Error{
            need.operation, "", EPERM, fmt::format("run as root, or with {}", need.names), {}};
    return Done{};
}

bool Features::tcx() const
{
    if (tcx_)
        return *tcx_;

    const Fd fd = load_smallest(BPF_PROG_TYPE_SCHED_CLS);
    if (!fd)
        return false; /* the real load will say why; not remembered */

    /* No interface has index 0: a kernel that knows TCX gets as far as looking. */
    const Fd link(bpf_link_create(fd.get(), 0, bpf_tcx_egress, nullptr));
    tcx_ = !link && errno == ENODEV;
    return *tcx_;
}

std::vector<KernelFeature> Features::kernel_features()
{
    const LibbpfLog quiet;

    return {
        {"XDP programs that see frames of several buffers", "5.18",
         static_cast<bool>(load_smallest(BPF_PROG_TYPE_XDP, BPF_F_XDP_HAS_FRAGS))},
        {"TC programs", "4.1", static_cast<bool>(load_smallest(BPF_PROG_TYPE_SCHED_CLS))},
        {"program arrays", "4.2", has_map(BPF_MAP_TYPE_PROG_ARRAY)},
        {"arrays in the memory of other processes", "5.5", has_mapped_arrays()},
        {"maps of sockets", "4.14", has_map(BPF_MAP_TYPE_SOCKMAP)},
        {"maps of devices", "5.4", has_map(BPF_MAP_TYPE_DEVMAP_HASH)},
        {"bpf_xdp_load_bytes() for XDP", "5.18",
         has_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes)},
        {"bpf_check_mtu() for TC", "5.12", has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_check_mtu)},
        {"cookies of network namespaces", "5.14", static_cast<bool>(network_namespace())},
    };
}

} // namespace bmc
