// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_LAB_H
#define BMC_TESTS_HARNESS_LAB_H

#include <optional>
#include <string>
#include <sys/types.h>

#include "bmc/lib/fd.h"
#include "tests/harness/netns.h"
#include "tests/harness/packet.h"

namespace bmc::test
{

/// Two network namespaces, server and client, joined by a veth pair, made with
/// tools/lab under a name of their own and removed with it: by the destructor,
/// or when this process ends in whatever way.
class Lab
{
  public:
    /// Throws Error if the lab cannot be made; needs root.
    Lab();
    ~Lab();
    Lab(const Lab &) = delete;
    Lab &operator=(const Lab &) = delete;

    const std::string &name() const { return name_; }
    const NetNs &server() const { return *server_; }
    const NetNs &client() const { return *client_; }
    const Mac &server_mac() const { return server_mac_; }
    const Mac &client_mac() const { return client_mac_; }

    /// The same in every lab.
    static constexpr const char *interface = "veth0";
    static constexpr const char *server4 = "10.77.0.1";
    static constexpr const char *server6 = "fd77::1";
    static constexpr const char *client4 = "10.77.0.2";
    static constexpr const char *client6 = "fd77::2";

  private:
    /// Removes the lab when its standard input ends, which is with this process
    /// at the latest.
    class Guard
    {
      public:
        explicit Guard(const std::string &name);
        ~Guard();
        Guard(const Guard &) = delete;
        Guard &operator=(const Guard &) = delete;

      private:
        Fd lifeline_;
        pid_t pid_ = -1;
    };

    std::string name_;
    Guard guard_;
    std::optional<NetNs> server_;
    std::optional<NetNs> client_;
    Mac server_mac_{};
    Mac client_mac_{};
};

/// Ethernet address of an interface. Throws Error if there is no such one.
Mac interface_mac(const NetNs &where, const std::string &interface);

} // namespace bmc::test

#endif
