// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_FEATURES_H
#define BMC_LIB_FEATURES_H

#include <optional>
#include <string>

#include "bmc/lib/result.h"

namespace bmc
{

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

    /// The process may load and attach: CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON,
    /// or CAP_SYS_ADMIN with CAP_NET_ADMIN.
    Status privilege() const;

    /// The kernel knows TCX links (6.6 and later); needs privilege().
    bool tcx() const;

  private:
    Paths paths_;
    mutable std::optional<bool> tcx_;
};

} // namespace bmc

#endif
