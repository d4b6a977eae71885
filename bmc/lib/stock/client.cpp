// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <poll.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "bmc/lib/interface.h"
#include "bmc/lib/parse.h"

namespace bmc
{

namespace
{

constexpr size_t receive_size = 65536;
/// Longer than any line of an answer: a key may take three times 250 bytes.
constexpr size_t max_line = 4096;

constexpr const char *no_memcached = "what listens there does not talk as memcached does over "
                                     "plain TCP";

bool starts_with(std::string_view text, std::string_view prefix)
{
    return text.substr(0, prefix.size()) == prefix;
}

Address reachable(const ServerSocket &socket)
{
    Address address = socket.address;

    if (address.family == AF_INET && address.v4.s_addr == htonl(INADDR_ANY))
        address.v4.s_addr = htonl(INADDR_LOOPBACK);
    if (address.family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address.v6))
        address.v6 = in6addr_loopback;
    return address;
}

std::optional<char> hex_digit(char c)
{
    const std::string_view digits = "0123456789abcdef";
    const size_t place = digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);

    if (place == std::string_view::npos)
        return std::nullopt;
    return static_cast<char>(place);
}

/// The key of a dump: what is no letter, digit or one of a few signs is %XX.
std::optional<std::string> decoded(std::string_view text)
{
    std::string key;

    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] != '%') {
            key += text[i];
            continue;
        }
        const auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
        const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
        if (!low)
            return std::nullopt;
        key += static_cast<char>(*high * 16 + *low);
        i += 2;
    }
    return key;
}

/// "key=NAME exp=SECONDS ..."
bool visit_item(std::string_view line, const ItemVisitor &visit)
{
    constexpr std::string_view key_field = "key=";
    constexpr std::string_view time_field = " exp=";
    const size_t place = line.find(time_field);
    int64_t expires = 0;

    if (!starts_with(line, key_field) || place == std::string_view::npos)
        return false;
    const char *const digits = line.data() + place + time_field.size();
    if (std::from_chars(digits, line.data() + line.size(), expires).ec != std::errc())
        return false;
    const auto key = decoded(line.substr(key_field.size(), place - key_field.size()));
    if (!key)
        return false;
    visit(*key, expires);
    return true;
}

} // namespace

Error MemcachedClient::failed(int code, std::string hint) const
{
    return {"ask memcached at", name_, code, std::move(hint), {}};
}

Result<MemcachedClient> MemcachedClient::connect(const ServerSocket &socket,
                                                 std::chrono::milliseconds limit)
{
    const Address address = reachable(socket);
    MemcachedClient client(
        Fd(::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
        ListenAddress{address.text(), socket.port}.text(), limit);
    sockaddr_storage to = {};

    if (!client.socket_)
        return client.failed(errno);
    if (address.family == AF_INET) {
        auto &v4 = reinterpret_cast<sockaddr_in &>(to);
        v4.sin_family = AF_INET;
        v4.sin_addr = address.v4;
        v4.sin_port = htons(socket.port);
    } else {
        auto &v6 = reinterpret_cast<sockaddr_in6 &>(to);
        v6.sin6_family = AF_INET6;
        v6.sin6_addr = address.v6;
        v6.sin6_port = htons(socket.port);
        v6.sin6_scope_id = scope_of(address);
    }
    if (::connect(client.socket_.get(), reinterpret_cast<const sockaddr *>(&to), sizeof to) == 0)
        return client;
    pollfd writable = {client.socket_.get(), POLLOUT, 0};
    int error = errno;
    if (error == EINPROGRESS && poll(&writable, 1, static_cast<int>(limit.count())) == 1) {
        socklen_t size = sizeof error;
        getsockopt(client.socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    } else if (error == EINPROGRESS) {
        error = ETIMEDOUT;
    }
    if (error != 0)
        return client.failed(error);
    return client;
}

uint16_t MemcachedClient::port() const
{
    sockaddr_storage here = {};
    socklen_t size = sizeof here;

    if (getsockname(socket_.get(), reinterpret_cast<sockaddr *>(&here), &size) != 0)
        return 0;
    return ntohs(here.ss_family == AF_INET ? reinterpret_cast<sockaddr_in &>(here).sin_port
                                           : reinterpret_cast<sockaddr_in6 &>(here).sin6_port);
}

Status MemcachedClient::send_line(const std::string &line)
{
    const std::string bytes = line + "\r\n";

    /* A new connection has room for that. */
    if (send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size()))
        return failed(errno);
    return Done{};
}

/// Takes what has come; false if nothing has.
Result<bool> MemcachedClient::receive()
{
    std::array<char, receive_size> buffer = {};
    const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (size < 0)
        return failed(errno);
    if (size == 0)
        return failed(0, "it closed the connection; does it want TLS, or has it no more "
                         "connections (-c)?");
    received_.erase(0, used_);
    used_ = 0;
    if (received_.size() > max_line)
        return failed(0, no_memcached);
    received_.append(buffer.data(), static_cast<size_t>(size));
    return true;
}

/// The next whole line, without its end.
bool MemcachedClient::next_line(std::string &line)
{
    const size_t end = received_.find('\n', used_);

    if (end == std::string::npos)
        return false;
    line.assign(received_, used_, end - used_);
    if (!line.empty() && line.back() == '\r')
        line.pop_back();
    used_ = end + 1;
    return true;
}

Result<ServerStats> MemcachedClient::stats(std::string_view group)
{
    const auto deadline = std::chrono::steady_clock::now() + limit_;
    ServerStats found;
    std::string line;

    BMC_TRY(send_line(group.empty() ? "stats" : fmt::format("stats {}", group)));
    for (;;) {
        while (next_line(line)) {
            if (line == "END")
                return found;
            /* "STAT name value", which may have spaces or be empty. */
            const size_t name = line.find(' ') + 1;
            const size_t value = line.find(' ', name);
            if (!starts_with(line, "STAT ") || value == std::string::npos)
                return failed(0, fmt::format("it answers '{}'", line));
            found[line.substr(name, value - name)] = line.substr(value + 1);
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd readable = {socket_.get(), POLLIN, 0};
        if (left.count() <= 0 || poll(&readable, 1, static_cast<int>(left.count())) == 0)
            return failed(ETIMEDOUT, "it does not answer over TCP; does it want TLS?");
        if (const auto more = receive(); !more)
            return more.error();
    }
}

/*
 * Along the hash table: along the LRUs an item that moves between two of them meanwhile
 * can be missed.
 */
Status MemcachedClient::start_dump()
{
    return send_line("lru_crawler metadump hash");
}

Result<bool> MemcachedClient::read_dump(const ItemVisitor &visit)
{
    const auto more = receive();
    std::string line;

    if (!more)
        return more.error();
    while (next_line(line)) {
        if (line == "END")
            return true;
        if (starts_with(line, "BUSY"))
            return failed(EBUSY);
        if (!visit_item(line, visit))
            return failed(0, fmt::format("it answers '{}'", line.substr(0, max_line)));
    }
    return false;
}

} // namespace bmc
