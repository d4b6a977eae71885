// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STATUS_H
#define BMC_LIB_STATUS_H

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "bmc/lib/memory.h"
#include "bmc/lib/origin.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/result.h"
#include "bmc/lib/stats.h"
#include "bmc/lib/stock/record.h"

namespace bmc
{

/// How an instance does with a stock memcached.
struct StockStatus {
    StockRecord record = {};
    bool watched = false;   ///< the `bmc run` lives
    bool covered = false;   ///< nothing is left that cannot be followed
    uint64_t untracked = 0; ///< how often something came that cannot be followed
    size_t followed = 0;    ///< connections
    uint32_t pid = 0;       ///< of memcached; 0: none
};

/// What an instance is, and how it does.
struct InstanceStatus {
    Stats stats;
    std::vector<uint16_t> ports; ///< host byte order
    std::vector<Address> addresses;
    MemorySplit split;
    std::optional<Origin> origin; ///< a memcached-sr
    std::optional<StockStatus> stock;
    time_t attached = 0; ///< when attach made it
};

/// Reads the status of an instance. Needs the privilege to open its maps.
Result<InstanceStatus> read_status(const std::string &instance,
                                   const std::string &pin_root = BMC_PIN_ROOT);

} // namespace bmc

#endif
