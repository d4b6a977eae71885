// SPDX-License-Identifier: BSD-3-Clause
#include "tests/e2e/differential/pair.h"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/harness/error.h"

namespace bmc::test
{

namespace
{

// Above all that requests use.
constexpr std::uint16_t first_marker_id = 0xf000;
constexpr std::string_view marker = "version\r\n";
// Only there so that a broken server ends the test.
constexpr std::chrono::seconds limit{10};
constexpr std::size_t recent_requests = 8;
constexpr std::size_t longest_recent = 150;

Endpoint endpoint(bool ipv6)
{
    return {ipv6 ? Lab::server6 : Lab::server4};
}

std::string describe(const Request &request)
{
    const MemcachedFrame &frame = request.frame;

    if (request.transport == Request::Transport::tcp)
        return fmt::format("TCP {} '{}'", request.ipv6 ? "IPv6" : "IPv4", escaped(request.text));
    return fmt::format("UDP {} id {} sequence {} total {} reserved {}{} '{}'",
                       request.ipv6 ? "IPv6" : "IPv4", frame.request_id, frame.sequence,
                       frame.total, frame.reserved, request.bare ? " (not sent)" : "",
                       escaped(request.text));
}

std::string describe(const Answer &answer)
{
    std::string text;

    for (const std::string &part : answer.parts)
        text += fmt::format("    '{}'\n", escaped(part));
    return text.empty() ? "    nothing\n" : text;
}

} // namespace

Side::Side(const std::optional<std::string> &mode) : last_id_(first_marker_id)
{
    if (mode)
        cache_.emplace(lab_.server(), lab_.name(), std::vector<std::string>{Lab::interface},
                       std::vector<std::string>{"--mode", *mode});
    Origin::Options options;
    options.pins = mode ? cache_->pins() : "";
    options.more = {"-t", "1", "-o", "no_lru_maintainer,no_lru_crawler"};
    origin_.emplace(lab_.server(), options);
    for (const bool ipv6 : {false, true})
        udp_.at(ipv6).emplace(lab_.client(), endpoint(ipv6));
}

Answer Side::ask(const Request &request)
{
    return request.transport == Request::Transport::udp ? ask_udp(request) : ask_tcp(request);
}

Answer Side::ask_udp(const Request &request)
{
    const UdpClient &udp = *udp_.at(request.ipv6);
    const std::uint16_t marker_id = std::max<std::uint16_t>(first_marker_id, ++last_id_);
    Answer answer;

    last_id_ = marker_id;
    if (!request.bare)
        udp.send(request.frame, request.text);
    else if (::send(udp.fd(), request.text.data(), request.text.size(), 0) < 0)
        throw system_error("send a datagram");
    udp.send({.request_id = marker_id}, marker);

    bool marked = false;
    for (;;) {
        const auto datagram = udp.receive(marked ? std::chrono::seconds(0) : limit);
        if (!datagram) {
            if (marked)
                break;
            throw Error("no reply to the command after " + describe(request));
        }
        const MemcachedFrame &frame = datagram->frame;
        if (frame.request_id == marker_id)
            marked = true;
        else
            answer.parts.push_back(fmt::format("{:05} id {} total {} reserved {}: {}",
                                               frame.sequence, frame.request_id, frame.total,
                                               frame.reserved, datagram->payload));
    }
    std::sort(answer.parts.begin(), answer.parts.end());
    return answer;
}

Answer Side::ask_tcp(const Request &request)
{
    const TcpClient tcp(lab_.client(), endpoint(request.ipv6));
    std::string stream;

    tcp.send(request.text);
    if (::shutdown(tcp.fd(), SHUT_WR) != 0)
        throw system_error("shutdown");
    for (;;) {
        std::array<char, 16384> part{};
        pollfd ready = {.fd = tcp.fd(), .events = POLLIN, .revents = 0};
        if (::poll(&ready, 1, static_cast<int>(std::chrono::milliseconds(limit).count())) != 1)
            throw Error("the connection does not end after " + describe(request));
        const ssize_t n = ::recv(tcp.fd(), part.data(), part.size(), 0);
        if (n < 0)
            throw system_error("receive after " + describe(request));
        if (n == 0)
            return {{stream}};
        stream.append(part.data(), static_cast<std::size_t>(n));
    }
}

Answer Pair::ask(const Request &request)
{
    recent_.push_back(describe(request));
    if (recent_.size() > recent_requests)
        recent_.pop_front();

    Answer plain = plain_.ask(request);
    const Answer cached = cached_.ask(request);
    if (plain != cached) {
        std::string before;
        for (const std::string &line : recent_)
            before += "    " + line.substr(0, longest_recent) + "\n";
        ADD_FAILURE() << "answered differently:\n    " << recent_.back()
                      << "\nthe last requests, shortened:\n"
                      << before << "without the cache:\n"
                      << describe(plain) << "with the cache:\n"
                      << describe(cached);
        throw Error("the servers disagree");
    }
    return plain;
}

void Pair::ask_anyway(const Request &request)
{
    plain_.ask(request);
    cached_.ask(request);
}

std::string escaped(std::string_view bytes)
{
    std::string text;

    for (const char c : bytes) {
        if (c == '\r')
            text += "\\r";
        else if (c == '\n')
            text += "\\n";
        else if (c == '\\')
            text += "\\\\";
        else if (c >= ' ' && c <= '~')
            text += c;
        else
            text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    return text;
}

} // namespace bmc::test
