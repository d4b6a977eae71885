// SPDX-License-Identifier: BSD-3-Clause
#include "tests/history/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <poll.h>
#include <sys/socket.h>
#include <thread>

#include <fmt/format.h>

#include "tests/harness/error.h"
#include "tests/harness/wait.h"

namespace bmc::test::history
{

namespace
{

constexpr std::size_t frame_size = 8;
constexpr std::size_t datagram_max = 65536;

bool readable(int fd, Time until)
{
    pollfd ready = {.fd = fd, .events = POLLIN, .revents = 0};
    const Time left = std::max<Time>(until - now(), 0);
    const timespec limit = {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};

    return ::ppoll(&ready, 1, &limit, nullptr) > 0;
}

std::uint16_t get16(const std::string &bytes, std::size_t at)
{
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[at]) << 8 |
                                      static_cast<std::uint8_t>(bytes[at + 1]));
}

Time nanoseconds(std::chrono::milliseconds time)
{
    return std::chrono::nanoseconds(time).count();
}

} // namespace

bool TcpConnection::connect()
{
    try {
        wait_until(
            "somebody listens",
            [this] {
                try {
                    client_.emplace(where_, server_);
                } catch (const Error &) {
                    return false;
                }
                return true;
            },
            limit_);
    } catch (const Error &) {
        return false;
    }
    return true;
}

std::optional<std::string>
TcpConnection::exchange(const std::string &request,
                        const std::function<bool(std::string_view)> &is_whole)
{
    const Time until = now() + nanoseconds(limit_);
    std::array<char, 16384> part{};
    std::string reply;
    std::size_t sent = 0;

    if (!client_ && !connect())
        return std::nullopt;
    while (sent < request.size()) {
        const ssize_t n =
            ::send(client_->fd(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
        if (n < 0) {
            client_.reset();
            return std::nullopt;
        }
        sent += static_cast<std::size_t>(n);
    }
    do {
        const ssize_t n = readable(client_->fd(), until)
                              ? ::recv(client_->fd(), part.data(), part.size(), 0)
                              : -1;
        if (n <= 0) {
            client_.reset();
            return std::nullopt;
        }
        reply.append(part.data(), static_cast<std::size_t>(n));
    } while (!is_whole(reply));
    return reply;
}

bool UdpConnection::receive(std::chrono::nanoseconds limit)
{
    const Time until = now() + limit.count();

    for (;;) {
        datagram_.resize(datagram_max);
        ssize_t n = ::recv(client_.fd(), datagram_.data(), datagram_.size(), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            if (!readable(client_.fd(), until))
                return false;
            continue;
        }
        // An ICMP error: nobody listens at the moment, what was sent is lost. To
        // send the next thing at once would take the processor from who starts.
        if (n < 0 && errno == ECONNREFUSED) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            return false;
        }
        if (n < 0)
            throw system_error("receive a datagram");
        if (static_cast<std::size_t>(n) < frame_size)
            throw Error(fmt::format("a datagram of {} bytes has no frame header", n));
        datagram_.resize(static_cast<std::size_t>(n));
        return true;
    }
}

void UdpConnection::exchange(std::vector<Exchange> &exchanges)
{
    struct Parts {
        Exchange *exchange;
        std::map<std::uint16_t, std::string> datagrams;
    };
    std::map<std::uint16_t, Parts> waiting;
    const Time until = now() + nanoseconds(limit_);

    for (Exchange &exchange : exchanges) {
        const std::uint16_t id = client_.next_id();
        std::string datagram = {
            static_cast<char>(id >> 8), static_cast<char>(id), 0, 0, 0, 1, 0, 0};

        datagram += exchange.request;
        exchange.when = {now(), never};
        exchange.reply.reset();
        waiting[id] = {&exchange, {}};
        if (::send(client_.fd(), datagram.data(), datagram.size(), 0) < 0 && errno != ECONNREFUSED)
            throw system_error("send a datagram");
    }
    while (!waiting.empty() && receive(std::chrono::nanoseconds(until - now()))) {
        const auto found = waiting.find(get16(datagram_, 0));
        if (found == waiting.end())
            continue; // too late, it has been given up
        const std::uint16_t total = get16(datagram_, 4);
        auto &parts = found->second.datagrams;
        parts[get16(datagram_, 2)] = datagram_.substr(frame_size);
        if (parts.size() < total)
            continue;
        Exchange &exchange = *found->second.exchange;
        exchange.when.end = now();
        exchange.reply.emplace();
        for (const auto &[number, part] : parts)
            *exchange.reply += part;
        waiting.erase(found);
    }
}

std::optional<std::string>
UdpConnection::exchange(const std::string &request,
                        const std::function<bool(std::string_view)> & /*is_whole*/)
{
    std::vector<Exchange> one = {{request, {}, {}}};

    exchange(one);
    return one[0].reply;
}

} // namespace bmc::test::history
