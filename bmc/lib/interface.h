// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_INTERFACE_H
#define BMC_LIB_INTERFACE_H

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
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
    bool up = false;      ///< as `ip link set up` makes it
    bool carrier = false; ///< has a link
    std::string driver;   ///< its name; empty if the device does not tell
    /// Frames may come from a stack that leaves UDP checksums to the device:
    /// the interface is virtual, or hands on frames of other virtual machines.
    bool partial_checksums = false;
    /// The device takes VLAN tags off before XDP sees the frame.
    bool strips_vlan_tags = false;
};

/// A VLAN device on top of an interface.
struct VlanDevice {
    std::string name;
    std::string parent;
    uint16_t id = 0;
};

/// Checks that an interface can have this name.
Status check_interface_name(std::string_view name);

/// Looks an interface up. Everything comes from the kernel by socket, not from
/// /sys, which shows the interfaces of whichever namespace it was mounted in.
Result<Interface> find_interface(const std::string &name);

/// All unicast addresses that the named interfaces have now, of both families,
/// each once.
Result<std::vector<Address>> interface_addresses(const std::vector<std::string> &names);

/// Whether packets to this address are for this host: an interface of the
/// current network namespace has it, whichever that is, or a loopback interface
/// has its whole subnet.
Result<bool> is_local(const Address &address);

/// The index by which a link-local address of this host is to be used (sin6_scope_id);
/// 0 for others.
uint32_t scope_of(const Address &address);

/// The broadcast addresses of the host's IPv4 subnets, in network byte order.
Result<std::vector<uint32_t>> broadcast_addresses();

/// The VLAN devices of the current network namespace; none if the kernel has no
/// VLANs.
std::vector<VlanDevice> vlan_devices();

/// Reads the table that the kernel shows as /proc/net/vlan/config.
std::vector<VlanDevice> parse_vlan_config(std::istream &text);

/// A number that identifies the current network namespace until the next boot.
Result<uint64_t> network_namespace();

} // namespace bmc

#endif
