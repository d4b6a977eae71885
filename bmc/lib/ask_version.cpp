// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/ask_version.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <system_error>

#include <arpa/inet.h>

#include "bmc/lib/fd.h"
#include "bmc/lib/interface.h"
#include "bmc/protocol/udp_frame.h"

namespace bmc
{

namespace
{

constexpr std::string_view request_text = "version\r\n";
constexpr std::string_view reply_start = "VERSION ";
constexpr std::string_view line_end = "\r\n";

/// Longest version that is shown.
constexpr size_t max_version = 64;

bmc_udp_frame frame_of(uint16_t id)
{
    return {htons(id), 0, htons(1), 0};
}

/// A socket that is connected to the endpoint; without one, errno says why.
Fd connect_to(const Endpoint &endpoint)
{
    const Address &address = endpoint.address;
    sockaddr_storage to = {};

    if (address.family == AF_INET) {
        auto &v4 = reinterpret_cast<sockaddr_in &>(to);
        v4.sin_family = AF_INET;
        v4.sin_addr = address.v4;
        v4.sin_port = htons(endpoint.port);
    } else {
        auto &v6 = reinterpret_cast<sockaddr_in6 &>(to);
        v6.sin6_family = AF_INET6;
        v6.sin6_addr = address.v6;
        v6.sin6_port = htons(endpoint.port);
        v6.sin6_scope_id = scope_of(address);
    }
    Fd socket(::socket(address.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket && connect(socket.get(), reinterpret_cast<const sockaddr *>(&to), sizeof to) != 0)
        return {};
    return socket;
}

bool send_request(const Fd &socket, uint16_t id)
{
    const bmc_udp_frame frame = frame_of(id);
    std::array<char, sizeof frame + request_text.size()> datagram = {};

    std::memcpy(datagram.data(), &frame, sizeof frame);
    request_text.copy(datagram.data() + sizeof frame, request_text.size());
    return send(socket.get(), datagram.data(), datagram.size(), 0) ==
           static_cast<ssize_t>(datagram.size());
}

/// Why it failed, of a socket call.
std::string reason(int code)
{
    return code == ECONNREFUSED ? "nothing listens" : std::generic_category().message(code);
}

/// Reads the reply that has come, or learns why there is none.
void read_reply(const Fd &socket, uint16_t id, VersionAnswer &answer)
{
    std::array<char, BMC_UDP_PAYLOAD_MAX> datagram = {};
    const ssize_t size = recv(socket.get(), datagram.data(), datagram.size(), 0);
    const bmc_udp_frame expected = frame_of(id);

    if (size < 0) {
        answer.why = reason(errno);
        return;
    }
    answer.why = "what answers is no memcached";
    if (static_cast<size_t>(size) < sizeof expected ||
        std::memcmp(datagram.data(), &expected, sizeof expected) != 0)
        return;
    std::string_view text(datagram.data() + sizeof expected,
                          static_cast<size_t>(size) - sizeof expected);
    if (text.substr(0, reply_start.size()) != reply_start || text.size() < line_end.size() ||
        text.substr(text.size() - line_end.size()) != line_end)
        return;
    text.remove_prefix(reply_start.size());
    text.remove_suffix(line_end.size());
    if (text.empty() || text.size() > max_version ||
        !std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; }))
        return;
    answer.version = text;
    answer.why.clear();
}

} // namespace

std::string Endpoint::text() const
{
    return ListenAddress{address.text(), port}.text();
}

std::vector<VersionAnswer> ask_version(const std::vector<Endpoint> &endpoints,
                                       std::chrono::milliseconds limit)
{
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::vector<VersionAnswer> answers;
    std::vector<Fd> sockets;
    std::vector<pollfd> waiting;

    for (const Endpoint &endpoint : endpoints) {
        const auto id = static_cast<uint16_t>(answers.size());
        Fd socket = connect_to(endpoint);
        const bool sent = socket && send_request(socket, id);
        answers.push_back({endpoint, {}, sent ? "no answer" : reason(errno)});
        waiting.push_back({sent ? socket.get() : -1, POLLIN, 0});
        sockets.push_back(std::move(socket));
    }

    const auto open = [](const pollfd &one) { return one.fd >= 0; };
    while (std::any_of(waiting.begin(), waiting.end(), open)) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0)
            break;
        if (poll(waiting.data(), waiting.size(), static_cast<int>(left.count())) <= 0)
            continue;
        for (size_t i = 0; i < waiting.size(); i++) {
            if (waiting[i].revents == 0)
                continue;
            read_reply(sockets[i], static_cast<uint16_t>(i), answers[i]);
            waiting[i].fd = -1;
        }
    }
    return answers;
}

} // namespace bmc
