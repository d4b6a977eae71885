// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_NOTIFY_SOCKET_H
#define BMC_TESTS_HARNESS_NOTIFY_SOCKET_H

#include <string>

#include "bmc/lib/fd.h"

namespace bmc::test
{

/// Where a service manager listens (sd_notify(3)): a file, which goes with this
/// object, or, with an @ before it, an abstract name of the network namespace.
class NotifySocket
{
  public:
    /// Throws Error if the name is taken.
    explicit NotifySocket(const std::string &name);
    NotifySocket(const NotifySocket &) = delete;
    NotifySocket &operator=(const NotifySocket &) = delete;
    ~NotifySocket();

    /// The next datagram that has come, or nothing.
    std::string next() const;

  private:
    const std::string name_;
    const Fd socket_;
};

} // namespace bmc::test

#endif
