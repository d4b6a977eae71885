// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_SOCK_DIAG_H
#define BMC_LIB_STOCK_SOCK_DIAG_H

#include <cstdint>
#include <vector>

#include "bmc/lib/parse.h"
#include "bmc/lib/result.h"

namespace bmc
{

enum class SocketKind {
    udp,
    tcp_listening,
    /// Connections by which the peer's bytes can still reach a program.
    tcp_connected,
};

/// A socket as the kernel lists it (sock_diag(7)).
struct ListedSocket {
    Address local;
    Address peer; ///< of a connection
    uint16_t port = 0;
    uint16_t peer_port = 0;
    uint64_t cookie = 0; ///< as bpf_get_socket_cookie() and SO_COOKIE tell
    uint64_t inode = 0;  ///< 0: no process has it (a connection not yet accepted)

    /// "10.0.0.2:41234": the peer of a connection.
    std::string peer_text() const;
};

/// All sockets of a kind and both address families that are bound to this port, in the
/// current network namespace.
Result<std::vector<ListedSocket>> list_sockets(SocketKind kind, uint16_t port);

/// Whether the peer's bytes can still reach a program over a connection of the current
/// network namespace.
Result<bool> is_open(const ListedSocket &connection);

/// Resets a connection of the current network namespace: both ends see an error. One
/// that is gone already is no error.
Status reset_connection(const ListedSocket &connection);

} // namespace bmc

#endif
