// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/sock_diag.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "bmc/lib/fd.h"

namespace bmc
{

namespace
{

/// The kernel fills dump replies up to 32 KiB.
constexpr size_t receive_size = 32768;

/* TCP states, include/net/tcp_states.h. */
constexpr uint32_t tcp_established = 1U << 1;
constexpr uint32_t tcp_close_wait = 1U << 8; // the peer's last bytes may wait to be read
constexpr uint32_t tcp_listen = 1U << 10;
constexpr uint32_t all_states = ~0U;

struct Request {
    nlmsghdr header;
    inet_diag_req_v2 body;
};

Error failed(const char *operation, int code)
{
    return {operation, "", code, "it is asked by a sock_diag request (CONFIG_INET_DIAG)", {}};
}

/// Sends a request and hands the answers to `visit`, up to the last. The error is an
/// errno, or 0.
int ask(const Request &request, const std::function<void(const inet_diag_msg &)> &visit)
{
    const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    alignas(nlmsghdr) std::array<char, receive_size> buffer = {};

    if (!socket || send(socket.get(), &request, sizeof request, 0) != sizeof request)
        return errno;
    for (;;) {
        const ssize_t size = recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size < 0 ? errno : EPIPE;
        auto left = static_cast<size_t>(size);
        for (auto *header = reinterpret_cast<nlmsghdr *>(buffer.data()); NLMSG_OK(header, left);
             header = NLMSG_NEXT(header, left)) {
            if (header->nlmsg_type == NLMSG_DONE)
                return 0;
            if (header->nlmsg_type == NLMSG_ERROR)
                return -static_cast<const nlmsgerr *>(NLMSG_DATA(header))->error;
            if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(inet_diag_msg)))
                visit(*static_cast<const inet_diag_msg *>(NLMSG_DATA(header)));
        }
    }
}

Address address_of(uint8_t family, const __be32 (&words)[4])
{
    Address address;

    address.family = family;
    if (family == AF_INET)
        address.v4.s_addr = words[0];
    else
        std::memcpy(&address.v6, words, sizeof address.v6);
    return address;
}

void set_address(const Address &address, __be32 (&words)[4])
{
    if (address.family == AF_INET)
        words[0] = address.v4.s_addr;
    else
        std::memcpy(words, &address.v6, sizeof address.v6);
}

ListedSocket listed(const inet_diag_msg &message)
{
    ListedSocket socket;

    socket.local = address_of(message.idiag_family, message.id.idiag_src);
    socket.peer = address_of(message.idiag_family, message.id.idiag_dst);
    socket.port = ntohs(message.id.idiag_sport);
    socket.peer_port = ntohs(message.id.idiag_dport);
    socket.cookie = uint64_t{message.id.idiag_cookie[1]} << 32 | message.id.idiag_cookie[0];
    socket.inode = message.idiag_inode;
    return socket;
}

uint32_t states_of(SocketKind kind)
{
    switch (kind) {
    case SocketKind::tcp_listening:
        return tcp_listen;
    case SocketKind::tcp_connected:
        return tcp_established | tcp_close_wait;
    case SocketKind::udp:
        break;
    }
    return all_states;
}

/// A request about one connection, which is to be acknowledged.
Request request_for(const ListedSocket &connection, uint16_t type)
{
    Request request = {};

    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = type;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.body.sdiag_family = static_cast<__u8>(connection.local.family);
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = all_states;
    request.body.id.idiag_sport = htons(connection.port);
    request.body.id.idiag_dport = htons(connection.peer_port);
    set_address(connection.local, request.body.id.idiag_src);
    set_address(connection.peer, request.body.id.idiag_dst);
    request.body.id.idiag_cookie[0] = static_cast<__u32>(connection.cookie);
    request.body.id.idiag_cookie[1] = static_cast<__u32>(connection.cookie >> 32);
    return request;
}

} // namespace

std::string ListedSocket::peer_text() const
{
    return ListenAddress{peer.text(), peer_port}.text();
}

Result<std::vector<ListedSocket>> list_sockets(SocketKind kind, uint16_t port)
{
    std::vector<ListedSocket> found;

    for (const int family : {AF_INET, AF_INET6}) {
        Request request = {};
        request.header.nlmsg_len = sizeof request;
        request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
        request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        request.body.sdiag_family = static_cast<__u8>(family);
        request.body.sdiag_protocol = kind == SocketKind::udp ? IPPROTO_UDP : IPPROTO_TCP;
        request.body.idiag_states = states_of(kind);
        request.body.id.idiag_sport = htons(port);

        const int error = ask(request, [&](const inet_diag_msg &message) {
            if (message.id.idiag_sport == htons(port))
                found.push_back(listed(message));
        });
        if (error != 0)
            return failed("list the sockets", error);
    }
    return found;
}

Result<bool> is_open(const ListedSocket &connection)
{
    bool open = false;
    const int error = ask(request_for(connection, SOCK_DIAG_BY_FAMILY),
                          [&](const inet_diag_msg &message) {
                              open = ((1U << message.idiag_state) &
                                      states_of(SocketKind::tcp_connected)) != 0;
                          });

    if (error != 0 && error != ENOENT)
        return failed("look up a connection", error);
    return open;
}

Status reset_connection(const ListedSocket &connection)
{
    const int error = ask(request_for(connection, SOCK_DESTROY), [](const inet_diag_msg &) {});

    if (error != 0 && error != ENOENT)
        return Error{"reset the connection from", connection.peer_text(), error,
                     error == EOPNOTSUPP ? "the kernel has no SOCK_DESTROY "
                                           "(CONFIG_INET_DIAG_DESTROY); restart the client"
                                         : "",
                     {}};
    return Done{};
}

} // namespace bmc
