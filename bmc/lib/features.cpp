// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/features.h"

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/magic.h>

#include "bmc/lib/fd.h"
#include "bmc/lib/tc.h"

namespace bmc
{

namespace
{

constexpr uint64_t capability(unsigned number)
{
    return uint64_t{1} << number;
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
        case Work::read:
            return {"open the instance", bpf, 0, "CAP_BPF"};
        case Work::detach:
            return {"detach programs", bpf, net_admin, "CAP_BPF and CAP_NET_ADMIN"};
        case Work::attach:
            break;
        }
        return {"load BPF programs", bpf | capability(CAP_PERFMON), net_admin,
                "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"};
    }();

    std::ifstream file(paths_.process_status);
    std::string word;
    uint64_t effective = 0;

    while (file >> word) {
        if (word == "CapEff:") {
            file >> std::hex >> effective;
            break;
        }
    }
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

    /* mov r0, 0; exit. */
    const bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    };
    const Fd fd(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bmc_probe", "GPL", program,
                              sizeof program / sizeof program[0], nullptr));
    if (!fd)
        return false; /* the real load will say why; not remembered */

    /* No interface has index 0: a kernel that knows TCX gets as far as looking. */
    const Fd link(bpf_link_create(fd.get(), 0, bpf_tcx_egress, nullptr));
    tcx_ = !link && errno == ENODEV;
    return *tcx_;
}

} // namespace bmc
