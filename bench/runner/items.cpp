// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/experiment.h"

#include "bench/runner/interrupt.h"
#include "bmc/abi/bucket.h"
#include "bmc/lib/fd.h"
#include "bmc/lib/parse.h"
#include "tests/harness/error.h"

#include <bpf/bpf.h>
#include <memory>

namespace runner
{

namespace
{

using bmc::test::Error;
using bmc::test::system_error;

/// Entries in the pinned map of buckets, as their headers say.
uint64_t count_entries(const std::string &pins)
{
    const bmc::Fd map(bpf_obj_get((pins + "/buckets").c_str()));
    bpf_map_info info{};
    uint32_t size = sizeof info;
    uint64_t entries = 0;

    if (!map || bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0)
        throw system_error("open " + pins + "/buckets");
    if (info.value_size != sizeof(bmc_bucket))
        throw Error(pins + "/buckets: other layout");
    const auto bucket = std::make_unique<bmc_bucket>();
    for (uint32_t i = 0; i < info.max_entries; i++) {
        if (bpf_map_lookup_elem(map.get(), &i, bucket.get()) != 0)
            throw system_error("read " + pins + "/buckets");
        entries += bucket->entries;
    }
    return entries;
}

} // namespace

// A cache of every round gets far more keys than fit, once each. Its seed is another each
// time, and with it how the keys spread over the buckets.
Outcome measure_items(Context &context)
{
    constexpr double gib = 1U << 30;
    constexpr double items_expected = 4e6; // of a GiB
    const unsigned rounds = context.rounds(6);
    const std::string memory = context.settings().memory.value_or("32M");
    const auto bytes = bmc::parse_size(memory);
    if (!bytes)
        throw Error(bytes.error().line());

    Workload workload = context.workload("paper");
    workload.keys = static_cast<uint64_t>(2.5 * items_expected * static_cast<double>(*bytes) / gib);
    Outcome outcome;
    std::vector<double> items;
    auto &list = outcome.details["rounds"] = nlohmann::ordered_json::array();
    for (unsigned number = 1; number <= rounds; number++) {
        context.progress().round(number, rounds);
        const System cached(context.settings().cpus,
                            {.front = System::Front::bmc, .memory = memory});
        const Server origin = cached.start({.keys = workload.keys}, true);
        cached.store(origin, workload);
        const auto before = cached.cache().counters();
        cached.get_all(origin, workload);
        auto counted = bmc::test::grown(before, cached.cache().counters());
        const uint64_t entries = count_entries(cached.cache().pins());
        items.push_back(static_cast<double>(entries) * gib / static_cast<double>(*bytes));
        list.push_back({{"round", number},
                        {"entries", entries},
                        {"fill_keys", counted["fill_keys"]},
                        {"evict_keys", counted["evict_keys"]},
                        {"items_per_gib", items.back()}});
        check_interrupt();
    }
    outcome.details["workload"] = to_json(workload);
    outcome.details["memory"] = memory;
    outcome.details["items_per_gib"] = to_json(spread_of(items));
    outcome.ratios.push_back({.name = "items_per_gib",
                              .what = "items of 16 + 32 bytes cached by a GiB of --memory",
                              .unit = "items",
                              .rounds = items,
                              .target = Target{items_expected, true}});
    return outcome;
}

} // namespace runner
