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

Error too_many(std::string_view what, size_t limit, std::string_view option)
{
    return {fmt::format("serve more than {}", limit),
            std::string(what),
            0,
            fmt::format("name fewer with {}", option),
            {}};
}

Error none(std::string_view what, std::string_view option)
{
    return {"serve without", std::string(what), 0, fmt::format("name one with {}", option), {}};
}

} // namespace

Result<bmc_config> make_config(const std::vector<Interface> &interfaces,
                               const std::vector<uint16_t> &ports,
                               const std::vector<Address> &addresses, const MemorySplit &split)
{
    bmc_config config = {};

    if (interfaces.empty())
        return none("an interface", "--interface");
    if (ports.empty())
        return none("a port", "--port");
    if (addresses.empty())
        return none("an address: the interfaces have none", "--address");

    config.mtu = interfaces.front().mtu;
    for (const Interface &interface : interfaces) {
        if (!append(config.mac, config.mac_count, interface.mac))
            return too_many("interfaces", BMC_MAX_MACS, "--interface");
        config.mtu = std::min(config.mtu, interface.mtu);
        if (interface.partial_checksums)
            config.partial_checksums = 1;
    }
    for (const uint16_t port : ports)
        if (!append(config.port, config.port_count, static_cast<__u16>(htons(port))))
            return too_many("ports", BMC_MAX_PORTS, "--port");
    for (const Address &address : addresses) {
        bool fits = false;
        if (address.family == AF_INET) {
            fits = append(config.addr4, config.addr4_count, static_cast<__u32>(address.v4.s_addr));
        } else {
            bmc_addr6 words = {};
            std::memcpy(&words, &address.v6, sizeof words);
            fits = append(config.addr6, config.addr6_count, words);
        }
        if (!fits)
            return too_many(address.family == AF_INET ? "IPv4 addresses" : "IPv6 addresses",
                            BMC_MAX_ADDRESSES, "--address");
    }
    config.bucket_count = split.bucket_count;
    return config;
}

} // namespace bmc
