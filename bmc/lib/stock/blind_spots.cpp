// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/blind_spots.h"

#include <algorithm>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bmc
{

namespace
{

bool says_yes(const ServerStats &settings, const std::string &name)
{
    const auto found = settings.find(name);

    return found != settings.end() && found->second == "yes";
}

bool has(const std::vector<uint16_t> &ports, uint16_t port)
{
    return std::find(ports.begin(), ports.end(), port) != ports.end();
}

} // namespace

std::vector<std::string> find_blind_spots(const Memcached &memcached,
                                          const std::vector<uint16_t> &watched,
                                          const ServerStats &settings)
{
    std::vector<std::string> spots;

    for (const ServerSocket &socket : memcached.sockets) {
        if (socket.family == AF_UNIX)
            spots.push_back(fmt::format("unix socket {}", socket.path));
        else if (socket.type == SOCK_STREAM && socket.protocol != IPPROTO_TCP)
            spots.push_back(fmt::format("{} at port {}",
                                        socket.protocol == IPPROTO_MPTCP
                                            ? "Multipath TCP"
                                            : fmt::format("protocol {}", socket.protocol),
                                        socket.port));
    }
    for (const uint16_t port : tcp_ports(memcached))
        if (!has(watched, port))
            spots.push_back(fmt::format("TCP port {}, which is not watched", port));
    if (says_yes(settings, "ssl_enabled"))
        spots.emplace_back("TLS");
    if (says_yes(settings, "proxy_enabled"))
        spots.emplace_back("the servers behind its proxy");
    return spots;
}

Error blind(uint32_t pid, const std::vector<std::string> &spots)
{
    return {"serve",
            fmt::format("memcached with pid {}", pid),
            0,
            fmt::format("it takes commands where they are not seen: {}; do without, or accept with "
                        "--accept-blind-spots that values written there are answered stale",
                        fmt::join(spots, ", ")),
            {}};
}

std::vector<uint16_t> watched_ports(const std::vector<uint16_t> &udp_ports,
                                    const Memcached *memcached)
{
    std::vector<uint16_t> ports = memcached != nullptr ? tcp_ports(*memcached)
                                                       : std::vector<uint16_t>();

    for (const uint16_t port : udp_ports)
        if (!has(ports, port))
            ports.push_back(port);
    ports.resize(std::min<size_t>(ports.size(), BMC_MAX_PORTS));
    return ports;
}

} // namespace bmc
