// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_NET_H
#define BENCH_LOADGEN_NET_H

#include "bench/loadgen/result.h"

#include <cstdint>
#include <string>
#include <sys/socket.h>

namespace loadgen
{

/// An address and port, IPv4 or IPv6.
struct Endpoint {
    sockaddr_storage address;
    socklen_t address_size;
    std::string text; // "HOST:PORT" or "[HOST]:PORT", for messages
};

/// Resolves a host name or address.
Result<Endpoint> resolve(const std::string &host, uint16_t port);

/// A connected non-blocking UDP socket with large buffers.
Result<Fd> connect_udp(const Endpoint &server);

/// A connected non-blocking TCP socket without Nagle's delay. Waits at most
/// timeout_ms for the connection.
Result<Fd> connect_tcp(const Endpoint &server, int timeout_ms);

/// CLOCK_MONOTONIC in ns.
int64_t now_ns();

} // namespace loadgen

#endif
