// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <utility>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/lib/check.h"
#include "bmc/lib/stock/blind_spots.h"
#include "bmc/lib/stock/client.h"
#include "bmc/lib/stock/memcached.h"
#include "bmc/lib/stock/sock_diag.h"

namespace bmc
{

namespace
{

constexpr std::chrono::seconds answer_limit{2};

std::string name_of(const Memcached &memcached)
{
    return fmt::format("memcached with pid {}", memcached.pid);
}

void check_programs(Findings &findings)
{
    constexpr std::pair<bpf_prog_type, const char *> needed[] = {
        {BPF_PROG_TYPE_SOCK_OPS, "programs for new connections (sockops)"},
        {BPF_PROG_TYPE_SK_SKB, "programs for what comes over them (sk_skb)"},
        {BPF_PROG_TYPE_SOCKET_FILTER, "socket filters"},
    };

    for (const auto &[type, name] : needed)
        if (libbpf_probe_bpf_prog_type(type, nullptr) != 1)
            findings.push_back({"BPF", Verdict::fail, fmt::format("the kernel has no {}", name),
                                "it needs CONFIG_CGROUP_BPF and CONFIG_BPF_STREAM_PARSER"});
}

Finding check_old_connections(const AttachOptions &options, const Memcached &memcached)
{
    size_t count = 0;

    for (const uint16_t port : tcp_ports(memcached)) {
        const auto connections = list_sockets(SocketKind::tcp_connected, port);
        if (!connections)
            return failed("connections", connections.error());
        count += connections->size();
    }
    if (count == 0)
        return {"connections", Verdict::ok, "none is older than the attach", ""};
    if (options.stock.reset_connections)
        return {"connections", Verdict::ok,
                fmt::format("{} older than the attach will be reset", count), ""};
    return {"connections", Verdict::warning,
            fmt::format("{} open already, which cannot be followed: nothing is answered before "
                        "they have ended",
                        count),
            "restart the clients after `bmc run` has started, or use --reset-connections"};
}

Finding check_dump(const AttachOptions &options, const ServerStats &settings)
{
    const auto says_no = [&](const char *name) {
        const auto found = settings.find(name);
        return found != settings.end() && found->second == "no";
    };

    if (options.stock.max_age)
        return {"old items", Verdict::ok,
                fmt::format("values are at most {} s old",
                            format_seconds(*options.stock.max_age)),
                ""};
    if (says_no("dump_enabled") || says_no("lru_crawler"))
        return {"old items", Verdict::fail, "memcached does not tell when its items expire",
                "start it without -X and with its lru_crawler, or use --max-age"};
    return {"old items", Verdict::ok, "memcached tells when they expire", ""};
}

} // namespace

Findings check_stock(const AttachOptions &options, const Features &features)
{
    Findings findings;

    if (features.privilege(Work::attach))
        check_programs(findings);
    const auto found = find_memcached(options.ports);
    if (!found) {
        findings.push_back(failed("memcached", found.error()));
        return findings;
    }
    if (!*found) {
        findings.push_back({"memcached", Verdict::warning,
                            fmt::format("none has UDP port {} here", fmt::join(options.ports, ", ")),
                            fmt::format("start it with `-U {}`", options.ports.front())});
        return findings;
    }

    const Memcached &memcached = **found;
    const auto listening = std::find_if(
        memcached.sockets.begin(), memcached.sockets.end(),
        [](const ServerSocket &socket) { return socket.protocol == IPPROTO_TCP; });
    if (listening == memcached.sockets.end()) {
        findings.push_back({"memcached", Verdict::fail,
                            fmt::format("{} has no TCP port", name_of(memcached)),
                            "start it with `-p`"});
        return findings;
    }
    /* Before our own. */
    const Finding old_connections = check_old_connections(options, memcached);
    auto client = MemcachedClient::connect(*listening, answer_limit);
    const auto settings = client ? client->stats("settings") : client.error();
    if (!settings) {
        findings.push_back(failed("memcached", settings.error()));
        return findings;
    }
    findings.push_back({"memcached", Verdict::ok,
                        fmt::format("{}, TCP port {}", name_of(memcached),
                                    fmt::join(tcp_ports(memcached), ", ")),
                        ""});
    const auto spots = find_blind_spots(
        memcached, watched_ports(options.ports, &memcached), *settings);
    if (!spots.empty())
        findings.push_back({"blind spots",
                            options.stock.accept_blind_spots ? Verdict::warning : Verdict::fail,
                            fmt::format("memcached takes commands where they are not seen: {}",
                                        fmt::join(spots, ", ")),
                            "do without, or use --accept-blind-spots"});
    findings.push_back(check_dump(options, *settings));
    findings.push_back(old_connections);
    return findings;
}

} // namespace bmc
