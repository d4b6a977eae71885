// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_FEATURES_H
#define BMC_LIB_FEATURES_H

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "bmc/lib/result.h"

namespace bmc
{

/// What a command does, by the capabilities that it takes: to take programs off
/// interfaces (detach) CAP_BPF and CAP_NET_ADMIN, to load them (attach) CAP_PERFMON
/// as well. To read takes none: the modes of the pins decide.
enum class Work { attach, detach };

/// Something of the kernel's BPF that bmc needs.
struct KernelFeature {
    std::string name;  ///< for people: "XDP programs"
    const char *since; ///< version of Linux that brought it
    bool present = false;
};

/// What kernel and process offer. Each probe runs when it is first asked for;
/// the paths can be replaced by a test.
class Features
{
  public:
    struct Paths {
        std::string btf = "/sys/kernel/btf/vmlinux";
        std::string bpffs = "/sys/fs/bpf";
        std::string process_status = "/proc/self/status";
    };

    Features() = default;
    explicit Features(Paths paths) : paths_(std::move(paths)) {}

    /// The kernel describes its types (CONFIG_DEBUG_INFO_BTF).
    Status btf() const;

    /// A BPF file system is mounted where pins go.
    Status bpffs() const;

    /// The process has the capabilities for this work; CAP_SYS_ADMIN stands for
    /// CAP_BPF and CAP_PERFMON.
    Status privilege(Work work) const;

    /// The process may give its files to this group: it is a member or has CAP_CHOWN.
    bool may_give_to(gid_t group) const;

    /// The kernel knows TCX links (6.6 and later); needs privilege(attach).
    bool tcx() const;

    /// Each feature that attach() cannot do without; needs privilege(attach).
    static std::vector<KernelFeature> kernel_features();

  private:
    /// The process's effective capabilities, one bit each.
    uint64_t capabilities() const;

    Paths paths_;
    mutable std::optional<bool> tcx_;
};

} // namespace bmc

#endif
