// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/control.h"

#include <arpa/inet.h>
#include <cstring>

#include "bmc/lib/maps.h"

namespace bmc
{

Result<bmc_control> load_control(const Fd &map, const std::string &folder)
{
    const std::string path = folder + "/" BMC_PIN_CONTROL;
    bmc_control control = {};

    BMC_TRY(read_first(map, path, &control));
    if (control.magic != BMC_MAGIC || control.layout_version != BMC_LAYOUT_VERSION)
        return Error{"use the pinned map",
                     path,
                     0,
                     "another version of bmc made it; use that one, or detach and attach again",
                     {}};
    return control;
}

Result<bmc_control> load_control(const std::string &folder)
{
    const auto map =
        open_map(folder + "/" BMC_PIN_CONTROL, BPF_MAP_TYPE_ARRAY, sizeof(bmc_control));

    if (!map)
        return map.error();
    return load_control(*map, folder);
}

std::vector<uint16_t> served_ports(const bmc_served &served)
{
    std::vector<uint16_t> ports;

    for (uint32_t i = 0; i < served.port_count; i++)
        ports.push_back(ntohs(served.port[i]));
    return ports;
}

std::vector<Address> served_addresses(const bmc_served &served)
{
    std::vector<Address> addresses;

    for (uint32_t i = 0; i < served.addr4_count; i++) {
        Address address;
        address.family = AF_INET;
        address.v4.s_addr = served.addr4[i];
        addresses.push_back(address);
    }
    for (uint32_t i = 0; i < served.addr6_count; i++) {
        Address address;
        address.family = AF_INET6;
        std::memcpy(&address.v6, &served.addr6[i], sizeof address.v6);
        addresses.push_back(address);
    }
    return addresses;
}

} // namespace bmc
