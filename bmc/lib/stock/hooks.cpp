// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/hooks.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <optional>
#include <sstream>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bmc/abi/layout.h"
#include "bmc/lib/control.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/pins.h"
#include "bmc/lib/stock/record.h"
#include "bmc/lib/stock/shared_state.h"

namespace bmc
{

namespace
{

constexpr const char *pin_connection_link = "connection_link";

/// How long memcached is given between two looks at what it has read.
constexpr std::chrono::milliseconds pause{10};
constexpr std::chrono::seconds default_wait{10};

/// Where the root of the cgroup hierarchy of version 2 is mounted; proc(5) has the format
/// of mountinfo.
Result<std::string> cgroup_root()
{
    std::ifstream file("/proc/self/mountinfo");

    for (std::string line; std::getline(file, line);) {
        const size_t separator = line.find(" - ");
        std::istringstream fields(line);
        std::string skipped;
        std::string root;
        std::string place;

        if (separator == std::string::npos || line.compare(separator + 3, 8, "cgroup2 ") != 0)
            continue;
        fields >> skipped >> skipped >> skipped >> root >> place;
        if (root == "/")
            return place;
    }
    return Error{"find the root of", "cgroup2", 0,
                 "mount it: `mount -t cgroup2 none /sys/fs/cgroup/unified`", {}};
}

/// The kernel gives the socket a copy of its own: the descriptor may be closed.
Status attach_filter(const Fd &socket, int program)
{
    if (setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program) != 0)
        return Error{"watch", "memcached's UDP sockets", errno, {}, {}};
    return Done{};
}

/// Which endpoints of the instance a socket answers for.
std::vector<uint32_t> endpoints_of(const bmc_served &served, const ServerSocket &socket)
{
    std::vector<uint32_t> found;
    const auto add = [&](uint32_t place) {
        for (uint32_t i = 0; i < served.port_count; i++)
            if (served.port[i] == htons(socket.port))
                found.push_back(bmc_endpoint(place, i));
    };
    const Address &bound = socket.address;

    if (socket.family == AF_INET || socket.both)
        for (uint32_t i = 0; i < served.addr4_count; i++)
            if (socket.both || bound.v4.s_addr == htonl(INADDR_ANY) ||
                bound.v4.s_addr == served.addr4[i])
                add(i);
    if (socket.family == AF_INET6)
        for (uint32_t i = 0; i < served.addr6_count; i++)
            if (IN6_IS_ADDR_UNSPECIFIED(&bound.v6) ||
                std::memcmp(&bound.v6, &served.addr6[i], sizeof bound.v6) == 0)
                add(BMC_MAX_ADDRESSES + i);
    return found;
}

bool is_wildcard(const ServerSocket &socket)
{
    return socket.family == AF_INET ? socket.address.v4.s_addr == htonl(INADDR_ANY)
                                    : IN6_IS_ADDR_UNSPECIFIED(&socket.address.v6);
}

/// How many sockets are in the map of connections.
size_t count_keys(const Fd &map)
{
    __u64 key = 0;
    size_t count = 0;

    for (const void *before = nullptr; bpf_map_get_next_key(map.get(), before, &key) == 0;
         before = &key)
        count++;
    return count;
}

/// Runs the iterator over all TCP sockets once: it does its work in the kernel, and
/// what is read is nothing.
Status run_iterator(const Fd &link)
{
    const Fd iterator(bpf_iter_create(link.get()));
    std::array<char, 256> nothing = {};
    ssize_t size = 0;

    if (!iterator)
        return Error{"walk over", "the TCP connections", errno, {}, {}};
    do
        size = read(iterator.get(), nothing.data(), nothing.size());
    while (size > 0 || (size < 0 && (errno == EINTR || errno == EAGAIN)));
    if (size < 0)
        return Error{"walk over", "the TCP connections", errno, {}, {}};
    return Done{};
}

Status release_connections(const std::string &folder, const Waiting &waiting)
{
    const auto map = open_pin(folder + "/" BMC_PIN_CONNECTIONS);
    const auto program = open_pin(folder + "/" BMC_PIN_RELEASE);

    if (!map && map.error().code == ENOENT)
        return Done{};
    if (!map)
        return map.error();
    if (count_keys(*map) == 0)
        return Done{};
    if (!program)
        return program.error();
    const Fd link(bpf_link_create(program->get(), 0, BPF_TRACE_ITER, nullptr));
    if (!link)
        return Error{"use the program", folder + "/" BMC_PIN_RELEASE, errno, {}, {}};
    const auto end = std::chrono::steady_clock::now() + default_wait;
    for (;;) {
        BMC_TRY(run_iterator(link));
        const size_t left = count_keys(*map);
        if (left == 0)
            return Done{};
        if (waiting ? !waiting(left) : std::chrono::steady_clock::now() > end)
            return Error{"let go of", "memcached's connections", EINTR,
                         "memcached has not read all that waits for it; `bmc detach` goes on",
                         {}};
        std::this_thread::sleep_for(pause);
    }
}

/// Whether a process has a UDP socket at a port of the instance: else it is not the
/// memcached that had its pid.
bool listens_at(const Memcached &memcached, const bmc_served &served)
{
    return std::any_of(
        memcached.sockets.begin(), memcached.sockets.end(), [&](const ServerSocket &socket) {
            const auto *const end = served.port + served.port_count;
            return socket.is_udp() && std::find(served.port, end, htons(socket.port)) != end;
        });
}

/// Of a memcached that has ended there are none.
Status remove_filters(const bmc_control &control)
{
    const auto memcached = control.origin_pid == 0
                               ? std::optional<Memcached>()
                               : open_memcached(control.origin_pid, control.netns_cookie);

    if (!memcached)
        return memcached.error();
    if (!*memcached || !listens_at(**memcached, control.served))
        return Done{};
    for (const ServerSocket &socket : (*memcached)->sockets) {
        if (!socket.is_udp())
            continue;
        const auto copy = duplicate(**memcached, socket);
        const int unused = 0; /* the kernel wants an integer */
        /* ENOENT: it has none. */
        if (copy &&
            setsockopt(copy->get(), SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) != 0 &&
            errno != ENOENT)
            return Error{"take the filter off", "memcached's UDP sockets", errno, {}, {}};
    }
    return Done{};
}

/// The iterator walks over the connections of its own network namespace only.
Status check_namespace(const std::string &folder)
{
    const auto control = load_control(folder);
    const auto map = open_pin(folder + "/" BMC_PIN_CONNECTIONS);
    const auto here = network_namespace();

    if (!here)
        return here.error();
    if (!control || !map || control->netns_cookie == *here || count_keys(*map) == 0)
        return Done{};
    return Error{"let go of", "memcached's connections", 0,
                 "they are in another network namespace; run bmc there, as in `nsenter "
                 "--net=/run/netns/NAME bmc detach`",
                 {}};
}

} // namespace

Status attach_connection_hooks(const std::string &folder)
{
    const auto map = open_pin(folder + "/" BMC_PIN_CONNECTIONS);
    if (!map)
        return map.error();
    const auto follow = open_pin(folder + "/" BMC_PIN_FOLLOW);
    if (!follow)
        return follow.error();
    const auto connection = open_pin(folder + "/" BMC_PIN_CONNECTION);
    if (!connection)
        return connection.error();
    const auto root = cgroup_root();
    if (!root)
        return root.error();
    const Fd cgroup(open(root->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!cgroup)
        return Error{"open", *root, errno, {}, {}};

    /* First what follows, then what puts connections in its way. */
    if (bpf_prog_attach(follow->get(), map->get(), BPF_SK_SKB_STREAM_VERDICT, 0) != 0)
        return Error{"attach to", "the map " BMC_PIN_CONNECTIONS, errno, {}, {}};
    const Fd link(
        bpf_link_create(connection->get(), cgroup.get(), BPF_CGROUP_SOCK_OPS, nullptr));
    if (!link)
        return Error{"attach to the cgroup", *root, errno, {}, {}};
    return pin(link.get(), folder + "/" + pin_connection_link);
}

Status attach_filters(const std::string &folder, const Memcached &memcached)
{
    const auto program = open_pin(folder + "/" BMC_PIN_FILTER);

    if (!program)
        return program.error();
    for (const ServerSocket &socket : memcached.sockets) {
        if (!socket.is_udp())
            continue;
        const auto copy = duplicate(memcached, socket);
        if (!copy)
            return copy.error();
        BMC_TRY(attach_filter(*copy, program->get()));
    }
    return Done{};
}

Status enter_sockets(const std::string &folder, const Memcached &memcached)
{
    const auto control = load_control(folder);
    const auto map =
        open_map(folder + "/" BMC_PIN_SOCKETS, BPF_MAP_TYPE_SOCKMAP, sizeof(__u64));
    bool any = false;

    if (!control)
        return control.error();
    if (!map)
        return map.error();
    for (const ServerSocket &socket : memcached.sockets) {
        const auto endpoints =
            socket.is_udp() ? endpoints_of(control->served, socket) : std::vector<uint32_t>();
        if (endpoints.empty())
            continue;
        const auto copy = duplicate(memcached, socket);
        if (!copy)
            return copy.error();
        const __u64 value = static_cast<__u64>(copy->get());
        for (const uint32_t endpoint : endpoints) {
            /* A socket of just that address comes before one of all. */
            const __u64 flags = is_wildcard(socket) ? BPF_NOEXIST : BPF_ANY;
            if (bpf_map_update_elem(map->get(), &endpoint, &value, flags) != 0 && errno != EEXIST)
                return Error{"enter", "a UDP socket of memcached", errno, {}, {}};
            any = true;
        }
    }
    if (!any)
        return Error{"serve", "memcached with pid " + std::to_string(memcached.pid), 0,
                     "it has no UDP socket at the addresses and ports that are attached", {}};
    return Done{};
}

Status remove_hooks(const std::string &folder, const Waiting &waiting)
{
    if (!is_stock(folder))
        return Done{};
    BMC_TRY(check_namespace(folder));
    if (auto state = SharedState::open(folder)) {
        state->stop_serving();
        BMC_TRY(remove_filters(state->control()));
    }
    const std::string link = folder + "/" + pin_connection_link;
    if (const auto opened = open_pin(link))
        bpf_link_detach(opened->get());
    unlink(link.c_str());
    return release_connections(folder, waiting);
}

} // namespace bmc
