// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_DEVICE_COUNTS_H
#define BENCH_TRAFFICGEN_DEVICE_COUNTS_H

#include "bench/loadgen/result.h"

#include <cstdint>
#include <optional>
#include <string>

namespace trafficgen
{

using namespace loadgen;

/// Packets given to a veth device by XDP that it did not take, as the ring of the
/// other end was full: the sum of the statistics tx_queue_N_xdp_xmit_errors. Of
/// another driver than veth, nothing.
Result<std::optional<uint64_t>> refused_packets(const std::string &interface);

} // namespace trafficgen

#endif
