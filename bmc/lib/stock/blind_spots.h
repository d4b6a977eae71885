// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_BLIND_SPOTS_H
#define BMC_LIB_STOCK_BLIND_SPOTS_H

#include <cstdint>
#include <string>
#include <vector>

#include "bmc/abi/stock.h"
#include "bmc/lib/result.h"
#include "bmc/lib/stock/client.h"
#include "bmc/lib/stock/memcached.h"
#include "bmc/lib/stock/options.h"

namespace bmc
{

/// Where memcached takes commands that the kernel programs do not see, in words; empty
/// if nowhere. `watched` are the TCP ports that they know of, `settings` what memcached
/// says to `stats settings`.
std::vector<std::string> find_blind_spots(const Memcached &memcached,
                                          const std::vector<uint16_t> &watched,
                                          const ServerStats &settings);

/// The error for a memcached with blind spots.
Error blind(uint32_t pid, const std::vector<std::string> &spots);

/// The TCP ports to be watched for these UDP ports: those of the memcached that runs now,
/// if any, then those with the same numbers; as many as the kernel programs hold.
std::vector<uint16_t> watched_ports(const std::vector<uint16_t> &udp_ports,
                                    const Memcached *memcached);

} // namespace bmc

#endif
