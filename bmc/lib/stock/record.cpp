// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/record.h"

#include <cerrno>

#include <bpf/bpf.h>

#include "bmc/lib/maps.h"
#include "bmc/lib/pins.h"

namespace bmc
{

namespace
{

constexpr const char *pin_stock = "stock";

std::string path_in(const std::string &folder)
{
    return folder + "/" + pin_stock;
}

} // namespace

bool is_stock(const std::string &folder)
{
    return exists(path_in(folder));
}

Result<StockRecordMap> StockRecordMap::create(const std::string &folder)
{
    const std::string path = path_in(folder);
    Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "bmc_stock", sizeof(__u32), sizeof(StockRecord), 1,
                          nullptr));

    if (!map)
        return Error{"make the map", path, errno, {}, {}};
    const Status pinned = pin(map.get(), path);
    if (!pinned)
        return pinned.error();
    return StockRecordMap(path, std::move(map));
}

Result<StockRecordMap> StockRecordMap::open(const std::string &folder)
{
    const std::string path = path_in(folder);
    auto map = open_map(path, BPF_MAP_TYPE_ARRAY, sizeof(StockRecord));

    if (!map)
        return map.error();
    return StockRecordMap(path, std::move(*map));
}

Result<StockRecord> StockRecordMap::load() const
{
    StockRecord record = {};
    const Status read = read_first(map_, path_, &record);

    if (!read)
        return read.error();
    record.blind_spots[sizeof record.blind_spots - 1] = '\0';
    return record;
}

Status StockRecordMap::save(const StockRecord &record) const
{
    return write_first(map_.get(), path_, &record);
}

} // namespace bmc
