// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stats.h"

#include <cerrno>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "bmc/lib/control.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/record.h"

namespace bmc
{

namespace
{

/* The kernel hands out per-CPU values at multiples of eight bytes. */
static_assert(sizeof(bmc_counters) % 8 == 0);

Status read_counters(const Fd &map, const std::string &folder, Stats &stats)
{
    const int cpus = libbpf_num_possible_cpus();

    if (cpus < 0)
        return Error{"count the CPUs", "", -cpus, {}, {}};
    std::vector<bmc_counters> values(static_cast<size_t>(cpus));
    BMC_TRY(read_first(map, programs_folder(folder) + "/" + pin_counters, values.data()));
    for (const bmc_counters &cpu : values)
        for (size_t i = 0; i < stats.counters.size(); i++)
            stats.counters[i] += cpu.value[i];
    return Done{};
}

std::string endpoint_text(int family, const void *address, __u16 port)
{
    std::array<char, INET6_ADDRSTRLEN> text = {};

    inet_ntop(family, address, text.data(), text.size());
    return fmt::format(fmt::runtime(family == AF_INET ? "{}:{}" : "[{}]:{}"), text.data(),
                       ntohs(port));
}

void read_sockets(const Fd &map, const bmc_served &served, Stats &stats)
{
    const auto read = [&](int family, const void *address, uint32_t place) {
        for (uint32_t port = 0; port < served.port_count; port++) {
            const __u32 endpoint = bmc_endpoint(place, port);
            __u64 cookie = 0;
            if (bpf_map_lookup_elem(map.get(), &endpoint, &cookie) != 0)
                stats.without_origin.push_back(endpoint_text(family, address, served.port[port]));
        }
    };
    for (uint32_t i = 0; i < served.addr4_count; i++)
        read(AF_INET, &served.addr4[i], i);
    for (uint32_t i = 0; i < served.addr6_count; i++)
        read(AF_INET6, &served.addr6[i], BMC_MAX_ADDRESSES + i);
}

} // namespace

const std::array<CounterInfo, BMC_COUNTER_COUNT> counter_infos = {{
#define X(name, help) {#name, help},
    BMC_COUNTERS(X)
#undef X
}};

Result<StatsReader> StatsReader::open(const std::string &instance, const std::string &pin_root)
{
    BMC_TRY(check_instance_name(instance));

    StatsReader reader;
    reader.folder_ = instance_folder(pin_root, instance);
    const auto map = RecordMap::open(reader.folder_);
    if (!map && map.error().code == ENOENT)
        return no_such_instance("show", instance, pin_root);
    const auto record = map ? map->load() : map.error();
    if (!record)
        return record.error();
    reader.fixed_.instance = instance;
    reader.fixed_.memory_bytes = record->memory_bytes;
    for (uint32_t i = 0; i < record->interface_count; i++) {
        const InterfaceRecord &interface = record->interface[i];
        reader.fixed_.interfaces.push_back({interface.name, interface.mode, interface.tc});
    }

    const struct {
        Fd &fd;
        std::string folder;
        const char *name;
        bpf_map_type type;
        size_t value_size;
    } maps[] = {
        {reader.control_, reader.folder_, BMC_PIN_CONTROL, BPF_MAP_TYPE_ARRAY, sizeof(bmc_control)},
        {reader.sockets_, reader.folder_, BMC_PIN_SOCKETS, BPF_MAP_TYPE_SOCKMAP, sizeof(__u64)},
        {reader.counters_, programs_folder(reader.folder_), pin_counters, BPF_MAP_TYPE_PERCPU_ARRAY,
         sizeof(bmc_counters)},
    };
    for (const auto &wanted : maps) {
        auto opened = open_map(fmt::format("{}/{}", wanted.folder, wanted.name), wanted.type,
                               wanted.value_size);
        if (!opened)
            return opened.error();
        wanted.fd = std::move(*opened);
    }
    return reader;
}

Result<Stats> StatsReader::read() const
{
    const auto control = load_control(control_, folder_);
    if (!control)
        return control.error();

    Stats stats = fixed_;
    stats.generation = control->generation;
    read_sockets(sockets_, control->served, stats);
    BMC_TRY(read_counters(counters_, folder_, stats));
    return stats;
}

Result<Stats> read_stats(const std::string &instance, const std::string &pin_root)
{
    const auto reader = StatsReader::open(instance, pin_root);
    if (!reader)
        return reader.error();
    auto stats = reader->read();

    if (stats)
        stats->origin_alive = origin_holds(instance_folder(pin_root, instance));
    return stats;
}

} // namespace bmc
