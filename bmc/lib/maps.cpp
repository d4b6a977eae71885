// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/maps.h"

#include <cerrno>

#include <bpf/bpf.h>

#include "bmc/lib/pins.h"

namespace bmc
{

Result<Fd> open_map(const std::string &path, bpf_map_type type, size_t value_size)
{
    auto map = open_pin(path);
    if (!map)
        return map.error();

    bpf_map_info info = {};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(map->get(), &info, &size) != 0)
        return Error{"examine the pinned map", path, errno, {}, {}};
    if (info.type != type || info.value_size != value_size)
        return Error{"use the pinned map",
                     path,
                     0,
                     "another version of bmc made it; use that one to detach it",
                     {}};
    return map;
}

Status read_first(const Fd &map, const std::string &path, void *value)
{
    const __u32 first = 0;

    if (bpf_map_lookup_elem(map.get(), &first, value) != 0)
        return Error{"read the map", path, errno, {}, {}};
    return Done{};
}

Status write_first(int map, const std::string &path, const void *value)
{
    const __u32 first = 0;

    if (bpf_map_update_elem(map, &first, value, BPF_ANY) != 0)
        return Error{"write the map", path, errno, {}, {}};
    return Done{};
}

} // namespace bmc
