// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/net.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

namespace loadgen
{

namespace
{

// A burst of all outstanding replies must fit; the kernel may grant less.
constexpr int buffer_bytes = 8 << 20;

} // namespace

int64_t now_ns()
{
    timespec time{};

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

Result<Endpoint> resolve(const std::string &host, uint16_t port)
{
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICSERV;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo *first = nullptr;

    const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &first);
    if (code != 0)
        return error("resolve server", host, gai_strerror(code));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(first, freeaddrinfo);

    Endpoint endpoint{};
    std::memcpy(&endpoint.address, first->ai_addr, first->ai_addrlen);
    endpoint.address_size = first->ai_addrlen;
    endpoint.text = host.find(':') == host.npos ? fmt::format("{}:{}", host, port)
                                                : fmt::format("[{}]:{}", host, port);
    return endpoint;
}

Result<Fd> connect_udp(const Endpoint &server)
{
    Fd fd(socket(server.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd.get() < 0)
        return system_error("make", "a UDP socket", errno);

    for (const int force : {SO_RCVBUFFORCE, SO_SNDBUFFORCE}) {
        const int plain = force == SO_RCVBUFFORCE ? SO_RCVBUF : SO_SNDBUF;
        if (setsockopt(fd.get(), SOL_SOCKET, force, &buffer_bytes, sizeof(buffer_bytes)) < 0)
            setsockopt(fd.get(), SOL_SOCKET, plain, &buffer_bytes, sizeof(buffer_bytes));
    }

    const auto *address = reinterpret_cast<const sockaddr *>(&server.address);
    if (connect(fd.get(), address, server.address_size) < 0)
        return system_error("reach over UDP", server.text, errno);
    return fd;
}

Result<Fd> connect_tcp(const Endpoint &server, int timeout_ms)
{
    Fd fd(socket(server.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd.get() < 0)
        return system_error("make", "a TCP socket", errno);

    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

    const auto *address = reinterpret_cast<const sockaddr *>(&server.address);
    int code = connect(fd.get(), address, server.address_size) == 0 ? 0 : errno;
    if (code == EINPROGRESS) {
        pollfd ready{fd.get(), POLLOUT, 0};
        socklen_t size = sizeof(code);
        if (poll(&ready, 1, timeout_ms) == 0)
            code = ETIMEDOUT;
        else if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &size) < 0)
            code = errno;
    }
    if (code != 0)
        return system_error("reach over TCP", server.text, code, "is memcached running there?");
    return fd;
}

} // namespace loadgen
