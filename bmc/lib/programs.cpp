// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/programs.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <sys/random.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "bmc.skel.h"
#include "bmc/abi/layout.h"
#include "bmc/abi/sample.h"
#include "bmc/lib/cache_reader.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/libbpf_log.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/pins.h"

namespace bmc
{

namespace
{

/// Odd, as a generation is while no origin has said that it serves. With a stock
/// memcached it is always even: it starts with no fills allowed.
constexpr uint64_t first_generation = 1;
constexpr uint64_t first_stock_generation = 2;

/// Maps of the instance: the cache, what the origin has open, and samples. All that they
/// hold is under the layout version.
constexpr std::array<std::string_view, 12> instance_maps = {
    BMC_PIN_CONTROL, BMC_PIN_CLOCKS,      BMC_PIN_GRANTS,  BMC_PIN_SOCKETS,
    pin_buckets,     BMC_PIN_KEY_SAMPLES, "miss_times",    BMC_PIN_MISS_LATENCY,
    BMC_PIN_SLOTS,   BMC_PIN_LEASES,      BMC_PIN_STREAMS, BMC_PIN_CONNECTIONS};

/// Those of options that were not given are none: they are not made.
bool is_of_instance(const bpf_map *map)
{
    return bpf_map__autocreate(map) && std::find(instance_maps.begin(), instance_maps.end(),
                                                 bpf_map__name(map)) != instance_maps.end();
}

Error load_error(int code, const std::string &log)
{
    std::string hint;

    switch (code) {
    case ENOMEM:
        hint = "the kernel cannot give the memory now; use a smaller --memory";
        break;
    case EPERM:
        hint = "run as root of the initial user namespace; kernel lockdown forbids it too";
        break;
    default:
        hint = "the kernel refuses them; --verbose shows its log";
        break;
    }
    return {"load the BPF programs", "", code, std::move(hint), log};
}

Status initialise_control(int map, const MemorySplit &split, const bmc_config &config,
                          uint64_t netns_cookie)
{
    bmc_control control = {};

    if (getrandom(control.seed, sizeof control.seed, 0) != sizeof control.seed)
        return Error{"draw a random seed", "", errno, {}, {}};
    control.generation = config.stock.enabled != 0 ? first_stock_generation : first_generation;
    control.stock.lease_count = split.lease_count;
    control.clock_count = split.clock_count;
    control.grant_count = split.grant_count;
    control.magic = BMC_MAGIC;
    control.layout_version = BMC_LAYOUT_VERSION;
    control.netns_cookie = netns_cookie;
    control.served = config.served;
    return write_first(map, BMC_PIN_CONTROL, &control);
}

/// Before the programs are loaded.
void configure(bmc_bpf &skeleton, const bmc_config &config, const std::vector<Prefix> &allow)
{
    skeleton.rodata->bmc_config = config;
    if (config.allow_listed != 0)
        bpf_map__set_max_entries(skeleton.maps.allow, static_cast<uint32_t>(allow.size()));
    else
        bpf_map__set_autocreate(skeleton.maps.allow, false);
    bpf_map__set_autocreate(skeleton.maps.budgets, config.budget != 0);

    const bool is_stock = config.stock.enabled != 0;
    for (bpf_map *const map :
         {skeleton.maps.slots, skeleton.maps.leases, skeleton.maps.streams,
          skeleton.maps.connections, skeleton.maps.new_stream, skeleton.maps.datagram})
        bpf_map__set_autocreate(map, is_stock);
    for (bpf_program *const program : {skeleton.progs.connection, skeleton.progs.follow,
                                       skeleton.progs.filter, skeleton.progs.release})
        bpf_program__set_autoload(program, is_stock);
}

} // namespace

void Programs::Destroy::operator()(bmc_bpf *skeleton) const
{
    bmc_bpf__destroy(skeleton);
}

Result<Programs> Programs::load(const bmc_config &config, const std::vector<Prefix> &allow,
                                const MemorySplit &split, uint64_t netns_cookie)
{
    const LibbpfLog log;
    std::unique_ptr<bmc_bpf, Destroy> skeleton(bmc_bpf__open());

    if (!skeleton)
        return load_error(errno, log.text());

    configure(*skeleton, config, allow);
    bpf_map__set_max_entries(skeleton->maps.clocks, split.clock_count);
    bpf_map__set_max_entries(skeleton->maps.grants, split.grant_count);
    bpf_map__set_max_entries(skeleton->maps.buckets, split.bucket_count);
    if (config.stock.enabled != 0) {
        bpf_map__set_max_entries(skeleton->maps.slots, split.clock_count);
        bpf_map__set_max_entries(skeleton->maps.leases, split.lease_count);
    }

    const int error = bmc_bpf__load(skeleton.get());
    if (error != 0)
        return load_error(-error, log.text());

    if (config.allow_listed != 0)
        BMC_TRY(fill_allow(bpf_map__fd(skeleton->maps.allow), allow));
    BMC_TRY(initialise_control(bpf_map__fd(skeleton->maps.control), split, config, netns_cookie));
    return Programs(std::move(skeleton));
}

Result<Programs> Programs::load_for(const std::string &folder, const bmc_config &config,
                                    const std::vector<Prefix> &allow)
{
    const LibbpfLog log;
    std::unique_ptr<bmc_bpf, Destroy> skeleton(bmc_bpf__open());

    if (!skeleton)
        return load_error(errno, log.text());

    configure(*skeleton, config, allow);
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj)
    {
        const bool is_counters = map == skeleton->maps.counters;
        if (!is_of_instance(map) && !is_counters)
            continue;
        const auto pinned =
            open_map(fmt::format("{}/{}", is_counters ? programs_folder(folder) : folder,
                                 bpf_map__name(map)),
                     bpf_map__type(map), bpf_map__value_size(map));
        if (!pinned && is_counters && pinned.error().code == 0)
            continue; /* this bmc counts other things: from zero */
        if (!pinned)
            return pinned.error();
        const int error = bpf_map__reuse_fd(map, pinned->get());
        if (error != 0)
            return load_error(-error, log.text());
    }

    const int error = bmc_bpf__load(skeleton.get());
    if (error != 0)
        return load_error(-error, log.text());
    if (config.allow_listed != 0)
        BMC_TRY(fill_allow(bpf_map__fd(skeleton->maps.allow), allow));
    return Programs(std::move(skeleton));
}

Status Programs::pin_maps(const std::string &folder) const
{
    const bpf_map *map = nullptr;

    bpf_object__for_each_map(map, skeleton_->obj)
    {
        if (is_of_instance(map))
            BMC_TRY(pin(bpf_map__fd(map), folder + "/" + bpf_map__name(map)));
    }
    return Done{};
}

Status Programs::pin_set(const std::string &folder) const
{
    const bpf_map *map = nullptr;
    bpf_object__for_each_map(map, skeleton_->obj)
    {
        /* Internal are .rodata and .bss: the programs hold them. Others are of options that
           were not given. */
        if (!is_of_instance(map) && !bpf_map__is_internal(map) && bpf_map__autocreate(map))
            BMC_TRY(pin(bpf_map__fd(map), folder + "/" + bpf_map__name(map)));
    }

    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj)
    {
        if (bpf_program__autoload(program))
            BMC_TRY(pin(bpf_program__fd(program), folder + "/" + bpf_program__name(program)));
    }
    return Done{};
}

EntryPrograms Programs::entry() const
{
    return {bpf_program__fd(skeleton_->progs.rx_filter),
            bpf_program__fd(skeleton_->progs.skb_rx_filter),
            bpf_program__fd(skeleton_->progs.tx_filter)};
}

} // namespace bmc
