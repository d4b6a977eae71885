// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_NEIGHBOR_H
#define BENCH_TRAFFICGEN_NEIGHBOR_H

#include "bench/loadgen/result.h"
#include "bmc/abi/config.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/parse.h"

#include <string>

namespace trafficgen
{

using namespace loadgen;

/// Reads six bytes in hexadecimal, "02:00:00:00:00:01".
Result<bmc_mac> parse_mac(const std::string &text);

/// The Ethernet address of a neighbour on the interface, from the kernel's table.
/// If the table does not have it, has the kernel ask for it by sending an empty
/// datagram to this port. Fails if there is no answer within a second.
Result<bmc_mac> neighbor_mac(const bmc::Interface &interface, const bmc::Address &address,
                             uint16_t port);

} // namespace trafficgen

#endif
