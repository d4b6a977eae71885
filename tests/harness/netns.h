// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_NETNS_H
#define BMC_TESTS_HARNESS_NETNS_H

#include <functional>
#include <string>

#include "bmc/lib/fd.h"

namespace bmc::test
{

/// A handle on a network namespace that somebody else owns and removes.
class NetNs
{
  public:
    /// The namespace with this name under /run/netns (see ip-netns(8)).
    /// Throws Error if there is none.
    explicit NetNs(const std::string &name);

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string &name() const { return name_; }

    /// Runs `work` with the calling thread inside the namespace, and brings the
    /// thread back, also when `work` throws. Sockets made inside stay inside.
    /// The mount namespace is not changed, so /sys/fs/bpf stays visible.
    void enter(const std::function<void()> &work) const;

  private:
    std::string name_;
    Fd fd_;
};

} // namespace bmc::test

#endif
