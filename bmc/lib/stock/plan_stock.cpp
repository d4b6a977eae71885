// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/plan_stock.h"

#include <algorithm>
#include <netinet/in.h>

#include "bmc/lib/stock/blind_spots.h"
#include "bmc/lib/stock/memcached.h"

namespace bmc
{

Result<bmc_stock_config> plan_stock(const std::vector<uint16_t> &ports,
                                    const StockOptions &options, uint64_t netns_cookie)
{
    bmc_stock_config config = {};
    const auto in_ns = [](std::chrono::milliseconds time) {
        return static_cast<uint64_t>(std::chrono::nanoseconds(time).count());
    };
    const auto memcached = find_memcached(ports);

    if (!memcached)
        return memcached.error();
    config.guard_ns = in_ns(options.guard);
    config.refresh_ns = in_ns(std::min(options.refresh, options.max_age.value_or(options.refresh)));
    config.netns_cookie = netns_cookie;
    config.enabled = 1;
    for (const uint16_t port : watched_ports(ports, *memcached ? &**memcached : nullptr))
        config.tcp_port[config.tcp_port_count++] = htons(port);
    return config;
}

StockRecord make_record(const bmc_stock_config &config, const StockOptions &options)
{
    StockRecord record = {};

    record.guard_ms = static_cast<uint64_t>(options.guard.count());
    record.refresh_ms = static_cast<uint64_t>(options.refresh.count());
    record.max_age_ms = options.max_age ? static_cast<uint64_t>(options.max_age->count()) : 0;
    for (uint32_t i = 0; i < config.tcp_port_count; i++)
        record.watched[record.watched_count++] = ntohs(config.tcp_port[i]);
    return record;
}

} // namespace bmc
