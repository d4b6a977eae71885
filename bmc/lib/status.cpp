// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/status.h"

#include <cerrno>
#include <sys/stat.h>

#include "bmc/abi/bucket.h"
#include "bmc/lib/cache_reader.h"
#include "bmc/lib/control.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/record.h"

namespace bmc
{

namespace
{

/// The record is made at attach and not touched after it; the times of the folder
/// change with every pin.
Result<time_t> time_of_attach(const std::string &folder)
{
    const std::string path = folder + "/" + pin_record;
    struct stat info = {};

    if (stat(path.c_str(), &info) != 0)
        return Error{"examine the pinned map", path, errno, {}, {}};
    return info.st_mtim.tv_sec;
}

Result<Access> read_access(const std::string &folder)
{
    auto allow = read_allow(folder);
    if (!allow)
        return allow.error();
    const auto map = RecordMap::open(folder);
    const auto record = map ? map->load() : map.error();
    if (!record)
        return record.error();
    return Access{std::move(*allow), record->budget};
}

} // namespace

Result<InstanceStatus> read_status(const std::string &instance, const std::string &pin_root)
{
    const auto reader = StatsReader::open(instance, pin_root);
    if (!reader)
        return reader.error();
    auto stats = reader->read();
    if (!stats)
        return stats.error();

    InstanceStatus status;
    const std::string folder = instance_folder(pin_root, instance);
    const auto control = load_control(folder);
    if (!control)
        return control.error();
    status.ports = served_ports(control->served);
    status.addresses = served_addresses(control->served);
    const auto buckets =
        open_map(folder + "/" + pin_buckets, BPF_MAP_TYPE_ARRAY, sizeof(bmc_bucket));
    const auto bucket_count =
        buckets ? max_entries(*buckets, folder + "/" + pin_buckets) : buckets.error();
    if (!bucket_count)
        return bucket_count.error();
    status.split.clock_count = static_cast<uint32_t>(control->clock_count);
    status.split.grant_count = static_cast<uint32_t>(control->grant_count);
    status.split.bucket_count = *bucket_count;
    auto access = read_access(folder);
    if (!access)
        return access.error();
    status.access = std::move(*access);
    const auto attached = time_of_attach(folder);
    if (!attached)
        return attached.error();
    status.attached = *attached;
    status.origin = find_origin(folder);
    status.stats = std::move(*stats);
    status.stats.origin_alive = status.origin.has_value();
    return status;
}

} // namespace bmc
