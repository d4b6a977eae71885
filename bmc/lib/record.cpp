// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/record.h"

#include <cerrno>

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
    return RecordMap(path, std::move(map));
}

Result<RecordMap> RecordMap::open(const std::string &folder)
{
    const std::string path = folder + "/" + pin_record;
    auto map = open_map(path, BPF_MAP_TYPE_ARRAY, sizeof(InstanceRecord));

    if (!map)
        return map.error();
    return RecordMap(path, std::move(*map));
}

Result<InstanceRecord> RecordMap::load() const
{
    InstanceRecord record = {};
    const Status read = read_first(map_, path_, &record);

    if (!read)
        return read.error();
    /* Version 0: the process that made the map was killed before its first save. */
    if (record.version != record_version && record.version != 0)
        return Error{"use the pinned map",
                     path_,
                     0,
                     "another version of bmc made it; use that one to detach it",
                     {}};
    if (record.interface_count > BMC_MAX_MACS)
        return Error{"use the pinned map", path_, 0, "its content makes no sense", {}};
    return record;
}

Status RecordMap::save(const InstanceRecord &record) const
{
    return write_first(map_.get(), path_, &record);
}

} // namespace bmc
