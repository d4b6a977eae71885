// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_REQUEST_H
#define BENCH_TRAFFICGEN_REQUEST_H

#include "bench/loadgen/content.h"
#include "bench/trafficgen/layout.h"
#include "bmc/abi/config.h"
#include "bmc/lib/parse.h"

#include <cstdint>
#include <vector>

namespace trafficgen
{

using namespace loadgen;

/// Between whom the packets go.
struct Path {
    bmc_mac client_mac = {};
    bmc_mac server_mac = {};
    bmc::Address client; ///< of the same family as the server's
    bmc::Address server;
    uint16_t server_port = 0;
    uint16_t first_client_port = 0; ///< of port_count in a row
    uint16_t client_port_count = 0;
};

/// The request that the kernel sends again and again, and what varies in it.
struct Request {
    trafficgen_request layout = {}; ///< without ifindex
    std::vector<uint8_t> frame;     ///< from Ethernet on; zeros for what varies
};

/// A get of keys_per_request keys in one datagram with right checksums. Fails if
/// it is longer than the interface's MTU (bytes of IP packet) or than the kernel
/// program holds.
Result<Request> make_request(const Path &path, const Content &content, uint32_t keys_per_request,
                             uint32_t mtu);

/// Whose replies the sink takes.
trafficgen_sink make_sink(const Path &path, const Content &content);

} // namespace trafficgen

#endif
