// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/memcached.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/lib/interface.h"
#include "bmc/lib/pins.h"
#include "bmc/lib/process.h"
#include "bmc/lib/stock/sock_diag.h"

namespace bmc
{

namespace
{

constexpr const char *take_hint = "this takes CAP_SYS_PTRACE";

std::string name_of(uint32_t pid)
{
    return fmt::format("of the process with pid {}", pid);
}

/// A descriptor of a process that is a socket.
struct SocketNumber {
    int number;
    uint64_t inode;
};

/// The sockets that a process has open, in the order of their numbers.
Result<std::vector<SocketNumber>> socket_numbers(uint32_t pid)
{
    const std::string folder = fmt::format("/proc/{}/fd", pid);
    const auto names = list_folder(folder);
    std::vector<SocketNumber> found;

    if (!names)
        return names.error();
    for (const std::string &name : *names) {
        struct stat info = {};
        int number = 0;
        const char *const end = name.data() + name.size();

        if (std::from_chars(name.data(), end, number).ptr == end &&
            stat(fmt::format("{}/{}", folder, name).c_str(), &info) == 0 && S_ISSOCK(info.st_mode))
            found.push_back({number, info.st_ino});
    }
    std::sort(found.begin(), found.end(),
              [](const SocketNumber &a, const SocketNumber &b) { return a.number < b.number; });
    return found;
}

bool has_any(uint32_t pid, const std::vector<uint64_t> &inodes)
{
    const auto sockets = socket_numbers(pid);

    return sockets && std::any_of(sockets->begin(), sockets->end(), [&](const SocketNumber &one) {
               return std::find(inodes.begin(), inodes.end(), one.inode) != inodes.end();
           });
}

template <class T>
T option_of(const Fd &socket, int level, int name)
{
    T value = {};
    socklen_t size = sizeof value;

    if (getsockopt(socket.get(), level, name, &value, &size) != 0)
        return {};
    return value;
}

void set_address(const sockaddr_storage &bound, ServerSocket &socket)
{
    socket.address.family = bound.ss_family;
    if (bound.ss_family == AF_INET) {
        const auto &v4 = reinterpret_cast<const sockaddr_in &>(bound);
        socket.address.v4 = v4.sin_addr;
        socket.port = ntohs(v4.sin_port);
    } else if (bound.ss_family == AF_INET6) {
        const auto &v6 = reinterpret_cast<const sockaddr_in6 &>(bound);
        socket.address.v6 = v6.sin6_addr;
        socket.port = ntohs(v6.sin6_port);
    }
}

/// What a socket is, if memcached waits for commands at it.
std::optional<ServerSocket> examine(const Fd &socket, const SocketNumber &number,
                                    uint64_t netns_cookie)
{
    sockaddr_storage bound = {};
    socklen_t size = sizeof bound;
    ServerSocket found;

    found.number = number.number;
    found.inode = number.inode;
    found.family = option_of<int>(socket, SOL_SOCKET, SO_DOMAIN);
    found.type = option_of<int>(socket, SOL_SOCKET, SO_TYPE);
    found.protocol = option_of<int>(socket, SOL_SOCKET, SO_PROTOCOL);
    const bool inet = found.family == AF_INET || found.family == AF_INET6;
    const bool listens = option_of<int>(socket, SOL_SOCKET, SO_ACCEPTCONN) != 0;
    if (!listens && !(inet && found.is_udp()))
        return std::nullopt;
    if (option_of<uint64_t>(socket, SOL_SOCKET, SO_NETNS_COOKIE) != netns_cookie)
        return std::nullopt;
    if (getsockname(socket.get(), reinterpret_cast<sockaddr *>(&bound), &size) != 0)
        return std::nullopt;
    if (found.family == AF_UNIX) {
        const auto &name = reinterpret_cast<const sockaddr_un &>(bound);
        const size_t length = size - offsetof(sockaddr_un, sun_path);
        /* The name of an abstract one starts with a NUL. */
        found.path = length > 0 && name.sun_path[0] == '\0'
                         ? "@" + std::string(name.sun_path + 1, length - 1)
                         : std::string(name.sun_path, strnlen(name.sun_path, length));
    } else {
        set_address(bound, found);
        found.both = found.family == AF_INET6 &&
                     option_of<int>(socket, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
    }
    if (inet && found.port == 0)
        return std::nullopt; /* UDP, not bound */
    return found;
}

Result<Fd> take(const Fd &process, uint32_t pid, const SocketNumber &socket)
{
    Fd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), socket.number, 0)));
    struct stat info = {};

    if (!copy)
        return Error{"take a copy of a socket", name_of(pid), errno,
                     errno == EPERM ? take_hint : "", {}};
    if (fstat(copy.get(), &info) != 0 || info.st_ino != socket.inode)
        return Error{"take a copy of a socket", name_of(pid), EBADF, "it was closed meanwhile", {}};
    return copy;
}

Error not_one(const std::vector<uint32_t> &pids, const std::vector<uint16_t> &ports)
{
    const std::string object = fmt::format("of UDP port {}", fmt::join(ports, ", "));

    if (pids.empty())
        return {"find the process", object, 0,
                fmt::format("it is not seen from here: another pid namespace, or {}", take_hint),
                {}};
    return {"choose the process", object, 0,
            fmt::format("those with pid {} have it; an instance is for one memcached",
                        fmt::join(pids, ", ")),
            {}};
}

} // namespace

Result<std::optional<Memcached>> find_memcached(const std::vector<uint16_t> &ports)
{
    std::vector<uint64_t> inodes;
    std::vector<uint32_t> pids;

    for (const uint16_t port : ports) {
        const auto sockets = list_sockets(SocketKind::udp, port);
        if (!sockets)
            return sockets.error();
        for (const ListedSocket &socket : *sockets)
            inodes.push_back(socket.inode);
    }
    if (inodes.empty())
        return std::optional<Memcached>();
    for (const uint32_t pid : all_pids())
        if (has_any(pid, inodes))
            pids.push_back(pid);
    if (pids.size() != 1)
        return not_one(pids, ports);

    const auto cookie = network_namespace();
    if (!cookie)
        return cookie.error();
    auto found = open_memcached(pids.front(), *cookie);
    /* The pid may be another's by now. */
    if (found && *found &&
        std::none_of((*found)->sockets.begin(), (*found)->sockets.end(), [&](const auto &socket) {
            return std::find(inodes.begin(), inodes.end(), socket.inode) != inodes.end();
        }))
        return std::optional<Memcached>();
    return found;
}

Result<std::optional<Memcached>> open_memcached(uint32_t pid, uint64_t netns_cookie)
{
    Memcached found;

    found.pid = pid;
    found.process = open_process(pid);
    if (!found.process && errno == ESRCH)
        return std::optional<Memcached>();
    if (!found.process)
        return Error{"open", "the process with pid " + std::to_string(pid), errno, {}, {}};
    const auto numbers = socket_numbers(pid);
    if (!numbers && !ended(found.process))
        return numbers.error();
    if (ended(found.process))
        return std::optional<Memcached>();

    std::vector<uint64_t> seen;
    for (const SocketNumber &number : *numbers) {
        /* Workers of memcached have UDP sockets under several numbers. */
        if (std::find(seen.begin(), seen.end(), number.inode) != seen.end())
            continue;
        seen.push_back(number.inode);
        const auto copy = take(found.process, pid, number);
        if (!copy && copy.error().code == EBADF)
            continue; /* a connection that has ended */
        if (!copy && copy.error().code == ESRCH)
            return std::optional<Memcached>();
        if (!copy)
            return copy.error();
        if (auto socket = examine(*copy, number, netns_cookie))
            found.sockets.push_back(std::move(*socket));
    }
    return std::optional<Memcached>(std::move(found));
}

Result<Fd> duplicate(const Memcached &memcached, const ServerSocket &socket)
{
    return take(memcached.process, memcached.pid, {socket.number, socket.inode});
}

std::vector<uint16_t> tcp_ports(const Memcached &memcached)
{
    std::vector<uint16_t> ports;

    for (const ServerSocket &socket : memcached.sockets)
        if (socket.type == SOCK_STREAM && socket.port != 0 &&
            std::find(ports.begin(), ports.end(), socket.port) == ports.end())
            ports.push_back(socket.port);
    return ports;
}

} // namespace bmc
