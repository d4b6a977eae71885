// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/samples.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <numeric>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bmc/lib/control.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/parse.h"
#include "bmc/protocol/hash.h"
#include "bmc/protocol/scan.h"

namespace bmc
{

/* The kernel hands out per-CPU values at multiples of eight bytes. */
static_assert(sizeof(bmc_key_sample) % 8 == 0 && sizeof(bmc_latency) % 8 == 0);

uint64_t Latency::total() const
{
    return std::accumulate(count.begin(), count.end(), uint64_t{0});
}

std::optional<uint64_t> Latency::below(double share) const
{
    const uint64_t all = total();
    uint64_t seen = 0;

    for (size_t i = 0; i < count.size() && all != 0; i++) {
        seen += count[i];
        if (static_cast<double>(seen) >= share * static_cast<double>(all))
            return uint64_t{1} << i;
    }
    return std::nullopt;
}

Latency Latency::since(const Latency &before) const
{
    Latency difference;

    std::transform(count.begin(), count.end(), before.count.begin(), difference.count.begin(),
                   std::minus<>());
    difference.sum_us = sum_us - before.sum_us;
    return difference;
}

Result<SampleReader> SampleReader::open(const std::string &instance, const std::string &pin_root)
{
    BMC_TRY(check_instance_name(instance));

    SampleReader reader;
    reader.folder_ = instance_folder(pin_root, instance);
    const auto control = load_control(reader.folder_);
    if (!control)
        return control.error().code == ENOENT ? no_such_instance("show", instance, pin_root)
                                              : control.error();
    std::copy(std::begin(control->seed), std::end(control->seed), reader.seed_.begin());
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0)
        return Error{"count the CPUs", "", -cpus, {}, {}};
    reader.cpus_ = static_cast<size_t>(cpus);

    const struct {
        Fd &fd;
        const char *name;
        size_t value_size;
    } maps[] = {
        {reader.keys_, BMC_PIN_KEY_SAMPLES, sizeof(bmc_key_sample)},
        {reader.latency_, BMC_PIN_MISS_LATENCY, sizeof(bmc_latency)},
    };
    for (const auto &wanted : maps) {
        auto opened = open_map(reader.folder_ + "/" + wanted.name, BPF_MAP_TYPE_PERCPU_ARRAY,
                               wanted.value_size);
        if (!opened)
            return opened.error();
        wanted.fd = std::move(*opened);
    }
    return reader;
}

Result<Samples> SampleReader::read() const
{
    auto keys = read_keys();
    if (!keys)
        return keys.error();
    const auto latency = read_latency();
    if (!latency)
        return latency.error();
    return Samples{std::move(*keys), *latency};
}

Result<SampledKeys> SampleReader::read_keys() const
{
    std::vector<bmc_key_sample> values(cpus_);
    SampledKeys keys;

    for (__u32 i = 0; i < BMC_KEY_SAMPLES; i++) {
        if (bpf_map_lookup_elem(keys_.get(), &i, values.data()) != 0)
            return Error{"read the map", folder_ + "/" BMC_PIN_KEY_SAMPLES, errno, {}, {}};
        for (const bmc_key_sample &sample : values) {
            if (sample.key_length == 0 || sample.key_length > BMC_KEY_MAX ||
                bmc_key_hash(seed_.data(), sample.key, sample.key_length) != sample.hash)
                continue; /* none, or half written */
            keys[{reinterpret_cast<const char *>(sample.key), sample.key_length}]++;
        }
    }
    return keys;
}

Result<Latency> SampleReader::read_latency() const
{
    std::vector<bmc_latency> values(cpus_);
    Latency sum;

    BMC_TRY(read_first(latency_, folder_ + "/" BMC_PIN_MISS_LATENCY, values.data()));
    for (const bmc_latency &cpu : values) {
        std::transform(sum.count.begin(), sum.count.end(), std::begin(cpu.count), sum.count.begin(),
                       std::plus<>());
        sum.sum_us += cpu.sum_us;
    }
    return sum;
}

} // namespace bmc
