// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_PLAN_STOCK_H
#define BMC_LIB_STOCK_PLAN_STOCK_H

#include <cstdint>
#include <vector>

#include "bmc/abi/stock.h"
#include "bmc/lib/result.h"
#include "bmc/lib/stock/options.h"
#include "bmc/lib/stock/record.h"

namespace bmc
{

/// What the kernel programs are loaded with for a stock memcached at these UDP ports of
/// the current network namespace, whose cookie this is. TCP ports are those of the
/// memcached that runs now, and those with the same numbers.
Result<bmc_stock_config> plan_stock(const std::vector<uint16_t> &ports,
                                    const StockOptions &options, uint64_t netns_cookie);

/// What is recorded of it.
StockRecord make_record(const bmc_stock_config &config, const StockOptions &options);

} // namespace bmc

#endif
