// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/neighbor.h"

#include "bench/loadgen/net.h"
#include "bench/trafficgen/netlink.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <optional>
#include <sys/socket.h>
#include <thread>

namespace trafficgen
{

namespace
{

constexpr auto answer_limit = std::chrono::seconds(1);
constexpr auto poll_interval = std::chrono::milliseconds(5);

/// States in which the kernel sends to the address.
constexpr int usable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;

std::span<const char> bytes_of_address(const bmc::Address &address)
{
    return address.family == AF_INET ? bytes_of(address.v4) : bytes_of(address.v6);
}

Result<std::optional<bmc_mac>> look_up(const bmc::Interface &interface, const bmc::Address &address)
{
    ndmsg filter = {};
    filter.ndm_family = static_cast<uint8_t>(address.family);
    const NetlinkRequest request(RTM_GETNEIGH, NLM_F_DUMP, bytes_of(filter));
    std::optional<bmc_mac> found;

    const auto wanted = bytes_of_address(address);
    const Status done = exchange(NETLINK_ROUTE, request, [&](std::span<const char> message) {
        ndmsg entry;
        if (message.size() < sizeof entry)
            return;
        std::memcpy(&entry, message.data(), sizeof entry);
        const auto attributes = message.subspan(NLMSG_ALIGN(sizeof entry));
        const auto destination = find_attribute(attributes, NDA_DST);
        const auto mac = find_attribute(attributes, NDA_LLADDR);
        if (entry.ndm_ifindex != static_cast<int>(interface.index) ||
            (entry.ndm_state & usable) == 0 || !destination || !mac ||
            mac->size() != sizeof found->byte ||
            !std::equal(destination->begin(), destination->end(), wanted.begin(), wanted.end()))
            return;
        found.emplace();
        std::memcpy(found->byte, mac->data(), sizeof found->byte);
    });
    if (!done)
        return done.error();
    return found;
}

} // namespace

Result<bmc_mac> parse_mac(const std::string &text)
{
    bmc_mac mac = {};
    int used = 0;

    if (std::sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac.byte[0],
                    &mac.byte[1], &mac.byte[2], &mac.byte[3], &mac.byte[4], &mac.byte[5],
                    &used) != 6 ||
        static_cast<size_t>(used) != text.size())
        return error("use", fmt::format("Ethernet address '{}'", text),
                     "give six bytes, as in 02:00:00:00:00:01");
    return mac;
}

Result<bmc_mac> neighbor_mac(const bmc::Interface &interface, const bmc::Address &address,
                             uint16_t port)
{
    using clock = std::chrono::steady_clock;
    const auto end = clock::now() + answer_limit;

    for (bool asked = false;; asked = true) {
        const auto known = look_up(interface, address);
        if (!known)
            return known.error();
        if (*known)
            return **known;
        if (!asked) {
            const auto server = resolve(address.text(), port);
            if (!server)
                return server.error();
            const auto socket = connect_udp(*server);
            if (!socket)
                return socket.error();
            static_cast<void>(::send(socket->get(), "", 0, 0));
        }
        if (clock::now() > end)
            return error("find the Ethernet address of", address.text(),
                         fmt::format("nobody on {} answers for it; give --server-mac, that of a "
                                     "gateway if there is one between",
                                     interface.name));
        std::this_thread::sleep_for(poll_interval);
    }
}

} // namespace trafficgen
