// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/config.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace bmc
{

namespace
{

/// Appends a value to one of the configuration's arrays unless it is there.
/// False if the array is full.
template <class T, size_t Size>
bool append(T (&array)[Size], uint32_t &count, const T &value)
{
    for (uint32_t i = 0; i < count; i++)
        if (std::memcmp(&array[i], &value, sizeof value) == 0)
            return true;
    if (count == Size)
        return false;
    array[count++] = value;
    return true;
}

Error none(std::string_view what, std::string_view option)
{
    return {"serve without",
            std::string(what),
            0,
            fmt::format("name one with {} or in the instance's file", option),
            {}};
}

/// A tag that the device takes off before XDP runs would be missing on the reply.
Status add_vlans(bmc_config &config, const std::vector<Interface> &interfaces,
                 const std::vector<VlanDevice> &vlans)
{
    for (const Interface &interface : interfaces)
        for (const VlanDevice &vlan : vlans) {
            if (vlan.parent != interface.name)
                continue;
            if (interface.strips_vlan_tags && config.tc_only == 0)
                return Error{"see the VLAN tags of",
                             interface.name,
                             0,
                             fmt::format("the device strips them, and {} is on top of it; "
                                         "`ethtool -K {} rxvlan off` keeps them, or use --mode tc",
                                         vlan.name, interface.name),
                             {}};
            if (!append(config.vlan, config.vlan_count, static_cast<__u32>(BMC_VLAN(vlan.id, 0))))
                return too_many("VLANs", BMC_MAX_VLANS, "--interface");
        }
    return Done{};
}

} // namespace

Error too_many(std::string_view what, size_t limit, std::string_view option)
{
    return {fmt::format("serve more than {}", limit),
            std::string(what),
            0,
            fmt::format("name fewer with {}", option),
            {}};
}

Result<bmc_config> make_config(const std::vector<Interface> &interfaces,
                               const std::vector<uint16_t> &ports,
                               const std::vector<Address> &addresses, const MemorySplit &split,
                               const Surroundings &surroundings, ModeChoice mode)
{
    bmc_config config = {};

    if (interfaces.empty())
        return none("an interface", "--interface");
    if (ports.empty())
        return none("a port", "--port");
    if (addresses.empty())
        return none("an address: the interfaces have none", "--address");

    config.tc_only = mode == ModeChoice::tc ? 1 : 0;
    config.hand_over = mode == ModeChoice::native || mode == ModeChoice::automatic ? 1 : 0;
    config.mtu = interfaces.front().mtu;
    for (const Interface &interface : interfaces) {
        if (!append(config.mac, config.mac_count, interface.mac))
            return too_many("interfaces", BMC_MAX_MACS, "--interface");
        config.mtu = std::min(config.mtu, interface.mtu);
        if (interface.partial_checksums)
            config.partial_checksums = 1;
    }
    for (const uint16_t port : ports)
        if (!append(config.served.port, config.served.port_count, static_cast<__u16>(htons(port))))
            return too_many("ports", BMC_MAX_PORTS, "--port");
    for (const Address &address : addresses) {
        bool fits = false;
        if (address.family == AF_INET) {
            fits = append(config.served.addr4, config.served.addr4_count,
                          static_cast<__u32>(address.v4.s_addr));
        } else {
            bmc_addr6 words = {};
            std::memcpy(&words, &address.v6, sizeof words);
            fits = append(config.served.addr6, config.served.addr6_count, words);
        }
        if (!fits)
            return too_many(address.family == AF_INET ? "IPv4 addresses" : "IPv6 addresses",
                            BMC_MAX_ADDRESSES, "--address");
    }
    BMC_TRY(add_vlans(config, interfaces, surroundings.vlans));
    for (const uint32_t address : surroundings.broadcast4)
        if (!append(config.broadcast4, config.broadcast4_count, static_cast<__u32>(address)))
            return Error{"serve a host in so many subnets",
                         fmt::format("more than {}", BMC_MAX_ADDRESSES),
                         0,
                         "take some of its IPv4 addresses away",
                         {}};
    config.bucket_count = split.bucket_count;
    return config;
}

} // namespace bmc
