// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/programs.h"

#include <cerrno>
#include <sys/random.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "bmc.skel.h"
#include "bmc/abi/layout.h"
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

Error load_error(int code, const MemorySplit &split, const std::string &log)
{
    std::string hint;

    switch (code) {
    case ENOMEM:
        hint = fmt::format("the kernel cannot give {} M now; use a smaller --memory",
                           split.bytes() >> 20);
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

} // namespace

void Programs::Destroy::operator()(bmc_bpf *skeleton) const
{
    bmc_bpf__destroy(skeleton);
}

Result<Programs> Programs::load(const bmc_config &config, const MemorySplit &split,
                                uint64_t netns_cookie)
{
    const LibbpfLog log;
    std::unique_ptr<bmc_bpf, Destroy> skeleton(bmc_bpf__open());

    if (!skeleton)
        return load_error(errno, split, log.text());

    skeleton->rodata->bmc_config = config;
    bpf_map__set_max_entries(skeleton->maps.clocks, split.clock_count);
    bpf_map__set_max_entries(skeleton->maps.grants, split.grant_count);
    bpf_map__set_max_entries(skeleton->maps.buckets, split.bucket_count);
    if (config.stock.enabled != 0) {
        bpf_map__set_max_entries(skeleton->maps.slots, split.clock_count);
        bpf_map__set_max_entries(skeleton->maps.leases, split.lease_count);
    } else {
        for (bpf_program *const program : {skeleton->progs.connection, skeleton->progs.follow,
                                           skeleton->progs.filter, skeleton->progs.release})
            bpf_program__set_autoload(program, false);
        bpf_map__set_max_entries(skeleton->maps.streams, 1);
        bpf_map__set_max_entries(skeleton->maps.connections, 1);
    }

    const int error = bmc_bpf__load(skeleton.get());
    if (error != 0)
        return load_error(-error, split, log.text());

    const Status ready =
        initialise_control(bpf_map__fd(skeleton->maps.control), split, config, netns_cookie);
    if (!ready)
        return ready.error();
    return Programs(std::move(skeleton));
}

Status Programs::pin_maps(const std::string &folder) const
{
    const bpf_map *map = nullptr;

    bpf_object__for_each_map(map, skeleton_->obj)
    {
        if (bpf_map__is_internal(map))
            continue; /* .rodata and .bss: the programs hold them */
        const Status pinned = pin(bpf_map__fd(map), folder + "/" + bpf_map__name(map));
        if (!pinned)
            return pinned.error();
    }
    return Done{};
}

Status Programs::pin_programs(const std::string &folder) const
{
    bpf_program *program = nullptr;

    bpf_object__for_each_program(program, skeleton_->obj)
    {
        if (!bpf_program__autoload(program))
            continue;
        const Status pinned =
            pin(bpf_program__fd(program), folder + "/" + bpf_program__name(program));
        if (!pinned)
            return pinned.error();
    }
    return Done{};
}

int Programs::rx_filter() const
{
    return bpf_program__fd(skeleton_->progs.rx_filter);
}

int Programs::skb_rx_filter() const
{
    return bpf_program__fd(skeleton_->progs.skb_rx_filter);
}

int Programs::tx_filter() const
{
    return bpf_program__fd(skeleton_->progs.tx_filter);
}

} // namespace bmc
