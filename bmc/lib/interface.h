// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_INTERFACE_H
#define BMC_LIB_INTERFACE_H

#include <cstdint>
#include <string>
#include <vector>

#include "bmc/abi/config.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// An Ethernet interface of the current network namespace.
struct Interface {
    std::string name;
    uint32_t index = 0;
    uint32_t mtu = 0; ///< bytes of IP packet
    bmc_mac mac = {};
    /// Frames may come from a stack that leaves UDP checksums to the device:
    /// the interface is virtual, or hands on frames of other virtual machines.
    bool partial_checksums = false;
};

/// Looks an interface up. Everything comes from the kernel by socket, not from
/// /sys, which shows the interfaces of whichever namespace it was mounted in.
Result<Interface> find_interface(const std::string &name);

/// All unicast addresses that the named interfaces have now, of both families,
/// each once.
Result<std::vector<Address>> interface_addresses(const std::vector<std::string> &names);

/// A number that identifies the current network namespace until the next boot.
Result<uint64_t> network_namespace();

} // namespace bmc

#endif
