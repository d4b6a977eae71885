// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_MEMCACHED_H
#define BMC_LIB_STOCK_MEMCACHED_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bmc/lib/fd.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// A socket that memcached waits for commands at.
struct ServerSocket {
    int number = -1;    ///< descriptor in memcached's process
    uint64_t inode = 0; ///< tells the socket from others that had this number
    int family = 0;     ///< AF_INET, AF_INET6 or AF_UNIX
    int type = 0;       ///< SOCK_STREAM: it listens; SOCK_DGRAM: it is bound
    int protocol = 0;   ///< IPPROTO_TCP, IPPROTO_UDP, ...
    Address address;    ///< that it is bound to, may be unspecified
    uint16_t port = 0;  ///< likewise, host byte order
    bool both = false;  ///< of AF_INET6 and takes IPv4, too
    std::string path{}; ///< of AF_UNIX

    bool is_udp() const { return type == SOCK_DGRAM && protocol == IPPROTO_UDP; }
};

/// A memcached that runs, and where it listens: not one of ours, so all is found out
/// from outside.
struct Memcached {
    uint32_t pid = 0;
    Fd process; ///< a pidfd: readable once it has ended
    std::vector<ServerSocket> sockets;
};

/// The process that has the UDP sockets of the current network namespace at these ports;
/// none if nobody has. It is an error if several have, or if this process may not know.
Result<std::optional<Memcached>> find_memcached(const std::vector<uint16_t> &ports);

/// The process with this pid and its sockets of the network namespace with this cookie
/// (SO_NETNS_COOKIE); none if it has ended.
Result<std::optional<Memcached>> open_memcached(uint32_t pid, uint64_t netns_cookie);

/// A descriptor of the same socket, here. As long as it is open the socket stays open:
/// close it soon.
Result<Fd> duplicate(const Memcached &memcached, const ServerSocket &socket);

/// Ports with a TCP socket that listens, each once.
std::vector<uint16_t> tcp_ports(const Memcached &memcached);

} // namespace bmc

#endif
