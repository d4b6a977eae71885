// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/record.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <bpf/bpf.h>

#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/pins.h"

namespace bmc
{

Result<RecordMap> RecordMap::create(const std::string &folder)
{
    const std::string path = folder + "/" + pin_record;
    Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "bmc_instance", sizeof(__u32), sizeof(InstanceRecord),
                          1, nullptr));

    if (!map)
        return Error{"make the map", path, errno, {}, {}};
    const Status pinned = pin(map.get(), path);
    if (!pinned)
        return pinned.error();
    return RecordMap(path, std::move(map), sizeof(InstanceRecord));
}

Result<RecordMap> RecordMap::open(const std::string &folder)
{
    const std::string path = folder + "/" + pin_record;
    auto map = open_pin(path);
    if (!map)
        return map.error();

    bpf_map_info info = {};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(map->get(), &info, &size) != 0)
        return Error{"examine the pinned map", path, errno, {}, {}};
    return RecordMap(path, std::move(*map), info.value_size);
}

Result<std::vector<std::byte>> RecordMap::read() const
{
    std::vector<std::byte> value(std::max(size_, sizeof(InstanceRecord)));

    BMC_TRY(read_first(map_, path_, value.data()));
    return value;
}

Result<InstanceRecord> RecordMap::load() const
{
    InstanceRecord record = {};
    const auto value = read();

    if (!value)
        return value.error();
    std::memcpy(&record, value->data(), sizeof record);
    /* Version 0: the process that made the map was killed before its first save. */
    if (record.version != record_version && record.version != 0)
        return Error{"use the pinned map",
                     path_,
                     ENOTSUP,
                     "another version of bmc made it; use that one, or detach and attach again",
                     {}};
    if (record.interface_count > BMC_MAX_MACS)
        return Error{"use the pinned map", path_, 0, "its content makes no sense", {}};
    return record;
}

Status RecordMap::save(const InstanceRecord &record) const
{
    auto value = read();

    if (!value)
        return value.error();
    std::memcpy(value->data(), &record, sizeof record);
    return write_first(map_.get(), path_, value->data());
}

} // namespace bmc
