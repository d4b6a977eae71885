// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/origin_stats.h"

#include <array>
#include <charconv>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <libmemcached-1.0/memcached.h>

#include "bmc/lib/interface.h"

namespace bmc
{

namespace
{

struct Free {
    void operator()(memcached_st *client) const { memcached_free(client); }
};

constexpr const char *operation = "ask memcached over TCP for its statistics, at";

/// A statistic that is wanted, and where it goes.
struct Wanted {
    std::string_view name;
    uint64_t *value;
    bool found = false;
};

/// Called for each statistic that comes.
memcached_return_t take(const memcached_instance_st * /*server*/, const char *key,
                        size_t key_length, const char *value, size_t value_length, void *context)
{
    for (Wanted &wanted : *static_cast<std::array<Wanted, 5> *>(context))
        if (wanted.name == std::string_view(key, key_length)) {
            const char *const end = value + value_length;
            const auto [stop, failure] = std::from_chars(value, end, *wanted.value);
            wanted.found = failure == std::errc() && stop == end;
        }
    return MEMCACHED_SUCCESS;
}

/// As getaddrinfo(3) takes it, with the zone that a link-local address needs.
std::string host_of(const Address &address)
{
    const uint32_t scope = address.family == AF_INET6 ? scope_of(address) : 0;

    return scope == 0 ? address.text() : fmt::format("{}%{}", address.text(), scope);
}

Result<OriginStats> ask(const Endpoint &endpoint, std::chrono::milliseconds limit)
{
    const std::unique_ptr<memcached_st, Free> client(memcached_create(nullptr));
    const auto milliseconds = static_cast<uint64_t>(limit.count());
    OriginStats stats;
    std::array<Wanted, 5> wanted = {{{"pid", &stats.pid},
                                     {"uptime", &stats.uptime},
                                     {"cmd_get", &stats.gets.cmd_get},
                                     {"get_hits", &stats.gets.get_hits},
                                     {"get_misses", &stats.gets.get_misses}}};

    stats.server = endpoint.text();
    memcached_behavior_set(client.get(), MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, milliseconds);
    memcached_behavior_set(client.get(), MEMCACHED_BEHAVIOR_POLL_TIMEOUT, milliseconds);
    auto outcome =
        memcached_server_add(client.get(), host_of(endpoint.address).c_str(), endpoint.port);
    if (outcome == MEMCACHED_SUCCESS)
        outcome = memcached_stat_execute(client.get(), nullptr, take, &wanted);
    if (outcome != MEMCACHED_SUCCESS) {
        const int code = memcached_last_error_errno(client.get());
        const std::string why = memcached_strerror(client.get(), outcome);
        return Error{operation, stats.server, code, code == 0 ? why : "", {}};
    }
    for (const Wanted &one : wanted)
        if (!one.found)
            return Error{operation,
                         stats.server,
                         0,
                         fmt::format("what answers does not say its {}", one.name),
                         {}};
    return stats;
}

} // namespace

std::optional<double> GetCounts::hit_ratio() const
{
    if (cmd_get == 0)
        return std::nullopt;
    return static_cast<double>(get_hits) / static_cast<double>(cmd_get);
}

GetCounts operator+(const GetCounts &a, const GetCounts &b)
{
    return {a.cmd_get + b.cmd_get, a.get_hits + b.get_hits, a.get_misses + b.get_misses};
}

GetCounts kernel_gets(const Stats &stats)
{
    const uint64_t hits = stats[BMC_COUNTER_hit_keys];
    const uint64_t misses = stats[BMC_COUNTER_hit_absent_keys];

    return {hits + misses, hits, misses};
}

Result<OriginStats> ask_origin(const std::vector<Endpoint> &endpoints, uint32_t pid,
                               std::chrono::milliseconds limit)
{
    Error first{operation, "", 0, "the instance has no address", {}};

    for (size_t i = 0; i < endpoints.size(); i++) {
        auto stats = ask(endpoints[i], limit);
        if (stats && stats->pid == pid)
            return stats;
        Error error = stats ? Error{operation,
                                    stats->server,
                                    0,
                                    fmt::format("pid {} answers, the instance's memcached-sr has "
                                                "pid {}: is this its network namespace?",
                                                stats->pid, pid),
                                    {}}
                            : stats.error();
        if (i == 0)
            first = std::move(error);
    }
    return first;
}

} // namespace bmc
