// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/devices.h"

#include <cerrno>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "bmc/abi/config.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/pins.h"

namespace bmc
{

namespace
{

/// Key and value of the map are the interface's index.
constexpr bpf_map_type map_type = BPF_MAP_TYPE_DEVMAP_HASH;

std::string path_in(const std::string &folder)
{
    return folder + "/" + pin_devices;
}

} // namespace

Result<DeviceMap> DeviceMap::create(const std::string &folder)
{
    std::string path = path_in(folder);
    Fd map(bpf_map_create(map_type, "bmc_devices", sizeof(uint32_t), sizeof(uint32_t), BMC_MAX_MACS,
                          nullptr));

    if (!map)
        return Error{"make the map", path, errno, {}, {}};
    BMC_TRY(pin(map.get(), path));
    return DeviceMap(std::move(path), std::move(map));
}

Result<DeviceMap> DeviceMap::open(const std::string &folder)
{
    std::string path = path_in(folder);
    auto map = open_map(path, map_type, sizeof(uint32_t));

    if (!map)
        return map.error();
    return DeviceMap(std::move(path), std::move(*map));
}

Status DeviceMap::add(uint32_t ifindex) const
{
    if (bpf_map_update_elem(map_.get(), &ifindex, &ifindex, BPF_ANY) != 0)
        return Error{fmt::format("note interface {} in the map", ifindex), path_, errno, {}, {}};
    return Done{};
}

bool DeviceMap::has(uint32_t ifindex) const
{
    uint32_t value = 0;

    return bpf_map_lookup_elem(map_.get(), &ifindex, &value) == 0;
}

std::vector<uint32_t> DeviceMap::list() const
{
    std::vector<uint32_t> all;
    uint32_t next = 0;

    while (bpf_map_get_next_key(map_.get(), all.empty() ? nullptr : &all.back(), &next) == 0)
        all.push_back(next);
    return all;
}

} // namespace bmc
