// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/status.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>

#include "bmc/abi/bucket.h"
#include "bmc/lib/cache_reader.h"
#include "bmc/lib/control.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/process.h"
#include "bmc/lib/stock/connections.h"

namespace bmc
{

namespace
{

void add_served(const bmc_served &served, InstanceStatus &status)
{
    for (uint32_t i = 0; i < served.port_count; i++)
        status.ports.push_back(ntohs(served.port[i]));
    for (uint32_t i = 0; i < served.addr4_count; i++) {
        Address address;
        address.family = AF_INET;
        address.v4.s_addr = served.addr4[i];
        status.addresses.push_back(address);
    }
    for (uint32_t i = 0; i < served.addr6_count; i++) {
        Address address;
        address.family = AF_INET6;
        std::memcpy(&address.v6, &served.addr6[i], sizeof address.v6);
        status.addresses.push_back(address);
    }
}

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

Result<StockStatus> stock_status(const std::string &folder, const bmc_control &control)
{
    StockStatus status;
    const auto map = StockRecordMap::open(folder);
    const auto record = map ? map->load() : map.error();
    if (!record)
        return record.error();
    const auto connections = Connections::open(folder);
    if (!connections)
        return connections.error();

    status.record = *record;
    const Fd process = open_process(record->run_pid);
    status.watched = record->run_pid != 0 && process && !ended(process);
    status.untracked = control.stock.untracked;
    status.covered = control.stock.untracked == control.stock.covered;
    status.followed = connections->followed();
    status.pid = control.origin_pid;
    return status;
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
    add_served(control->served, status);
    const auto buckets =
        open_map(folder + "/" + pin_buckets, BPF_MAP_TYPE_ARRAY, sizeof(bmc_bucket));
    const auto bucket_count =
        buckets ? max_entries(*buckets, folder + "/" + pin_buckets) : buckets.error();
    if (!bucket_count)
        return bucket_count.error();
    status.split.clock_count = static_cast<uint32_t>(control->clock_count);
    status.split.grant_count = static_cast<uint32_t>(control->grant_count);
    status.split.bucket_count = *bucket_count;
    const auto attached = time_of_attach(folder);
    if (!attached)
        return attached.error();
    status.attached = *attached;
    status.stats = std::move(*stats);
    if (status.stats.stock) {
        auto stock = stock_status(folder, *control);
        if (!stock)
            return stock.error();
        status.stock = *stock;
        status.split.lease_count = static_cast<uint32_t>(control->stock.lease_count);
        return status;
    }
    status.origin = find_origin(folder);
    status.stats.origin_alive = status.origin.has_value();
    return status;
}

} // namespace bmc
