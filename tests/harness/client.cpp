// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/client.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <linux/sockios.h>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "tests/harness/error.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

namespace
{

constexpr std::size_t frame_header_size = 8;

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    [[nodiscard]] const sockaddr *get() const
    {
        return reinterpret_cast<const sockaddr *>(&storage);
    }
};

SocketAddress socket_address(const Endpoint &endpoint)
{
    SocketAddress result;
    sockaddr_in v4{};
    sockaddr_in6 v6{};

    if (::inet_pton(AF_INET, endpoint.address.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        result.size = sizeof(v4);
        std::memcpy(&result.storage, &v4, sizeof(v4));
    } else if (::inet_pton(AF_INET6, endpoint.address.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        result.size = sizeof(v6);
        std::memcpy(&result.storage, &v6, sizeof(v6));
    } else {
        throw Error(endpoint.address + " is not an address");
    }
    return result;
}

Fd connected_socket(const NetNs &where, const Endpoint &server, int type,
                    const std::string &source = {})
{
    const SocketAddress address = socket_address(server);
    Fd fd;

    where.enter([&] {
        fd = Fd(::socket(address.storage.ss_family, type | SOCK_CLOEXEC, 0));
        if (!fd)
            throw system_error("socket");
        if (!source.empty()) {
            const SocketAddress own = socket_address({source, 0});
            if (::bind(fd.get(), own.get(), own.size) != 0)
                throw system_error("bind to " + source);
        }
        if (::connect(fd.get(), address.get(), address.size) != 0)
            throw system_error(fmt::format("connect to {} port {}", server.address, server.port));
    });
    return fd;
}

bool readable(int fd, std::chrono::milliseconds limit)
{
    pollfd ready = {.fd = fd, .events = POLLIN, .revents = 0};

    return ::poll(&ready, 1, static_cast<int>(std::max<long>(limit.count(), 0))) > 0;
}

std::uint16_t get16(const char *at)
{
    std::uint16_t value = 0;

    std::memcpy(&value, at, sizeof(value));
    return ntohs(value);
}

} // namespace

UdpClient::UdpClient(const NetNs &where, const Endpoint &server, const std::string &source)
    : fd_(connected_socket(where, server, SOCK_DGRAM, source))
{
    sockaddr_in6 own{};
    socklen_t size = sizeof(own);

    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    if (::getsockname(fd_.get(), reinterpret_cast<sockaddr *>(&own), &size) != 0)
        throw system_error("getsockname");
    port_ = ntohs(own.sin6_port); // at the same place in sockaddr_in
}

void UdpClient::send(const MemcachedFrame &frame, std::string_view request) const
{
    Packet packet(frame);

    packet /= request;
    const Bytes bytes = packet.build();
    if (::send(fd_.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        throw system_error(fmt::format("send a datagram of {} bytes", bytes.size()));
}

std::optional<Datagram> UdpClient::receive(std::chrono::milliseconds limit) const
{
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + limit;
    std::string bytes(65536, '\0');

    for (;;) {
        if (!readable(fd_.get(),
                      std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now())))
            return std::nullopt;
        const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
        // An ICMP error: nobody listens at the moment. The same as silence.
        if (n < 0 && errno == ECONNREFUSED)
            continue;
        if (n < 0)
            throw system_error("receive a datagram");
        if (static_cast<std::size_t>(n) < frame_header_size)
            throw Error(fmt::format("a datagram of {} bytes has no frame header", n));
        Datagram datagram;
        datagram.frame = {.request_id = get16(bytes.data()),
                          .sequence = get16(bytes.data() + 2),
                          .total = get16(bytes.data() + 4),
                          .reserved = get16(bytes.data() + 6)};
        datagram.payload.assign(bytes, frame_header_size,
                                static_cast<std::size_t>(n) - frame_header_size);
        return datagram;
    }
}

std::optional<std::vector<Datagram>> UdpClient::ask_datagrams(std::string_view request,
                                                              std::chrono::milliseconds limit)
{
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + limit;
    const std::uint16_t id = next_id();
    std::map<std::uint16_t, Datagram> parts;

    send({.request_id = id}, request);
    for (;;) {
        auto datagram =
            receive(std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()));
        if (!datagram)
            return std::nullopt;
        if (datagram->frame.request_id != id)
            continue;
        const std::uint16_t sequence = datagram->frame.sequence;
        const std::uint16_t total = datagram->frame.total;
        if (sequence >= total || !parts.emplace(sequence, std::move(*datagram)).second)
            throw Error(fmt::format("reply with sequence {} of {}, twice or out of range", sequence,
                                    total));
        if (parts.size() < total)
            continue;
        std::vector<Datagram> all;
        for (auto &[number, part] : parts)
            all.push_back(std::move(part));
        return all;
    }
}

std::optional<std::string> UdpClient::ask(std::string_view request, std::chrono::milliseconds limit)
{
    const auto datagrams = ask_datagrams(request, limit);
    std::string reply;

    if (!datagrams)
        return std::nullopt;
    for (const Datagram &datagram : *datagrams)
        reply += datagram.payload;
    return reply;
}

TcpClient::TcpClient(const NetNs &where, const Endpoint &server)
    : fd_(connected_socket(where, server, SOCK_STREAM))
{
    const int on = 1;

    if (::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        throw system_error("setsockopt TCP_NODELAY");
}

void TcpClient::send(std::string_view data) const
{
    while (!data.empty()) {
        const ssize_t n = ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
        if (n < 0)
            throw system_error("send over TCP");
        data.remove_prefix(static_cast<std::size_t>(n));
    }
}

void TcpClient::send_segment(std::string_view data) const
{
    send(data);
    wait_until("the segment is acknowledged", [this] {
        int waiting = 0;

        if (::ioctl(fd_.get(), SIOCOUTQ, &waiting) != 0)
            throw system_error("ioctl SIOCOUTQ");
        return waiting == 0;
    });
}

void TcpClient::receive_some()
{
    std::array<char, 16384> part{};

    if (!readable(fd_.get(), reply_limit))
        throw Error(fmt::format("no answer over TCP; so far: '{}'", received_));
    const ssize_t n = ::recv(fd_.get(), part.data(), part.size(), 0);
    if (n < 0)
        throw system_error("receive over TCP");
    if (n == 0)
        throw Error(fmt::format("the server closed the connection; so far: '{}'", received_));
    received_.append(part.data(), static_cast<std::size_t>(n));
}

std::string TcpClient::read_until(std::string_view end)
{
    std::size_t at = 0;

    while ((at = received_.find(end)) == std::string::npos)
        receive_some();
    return read(at + end.size());
}

std::string TcpClient::read_line()
{
    return read_until("\r\n");
}

std::string TcpClient::read(std::size_t bytes)
{
    while (received_.size() < bytes)
        receive_some();
    std::string result = received_.substr(0, bytes);
    received_.erase(0, bytes);
    return result;
}

std::string TcpClient::ask(std::string_view request)
{
    send(request);
    return read_line();
}

} // namespace bmc::test
