// SPDX-License-Identifier: BSD-3-Clause
#include "bench/storage/trace.h"

#include "bench/loadgen/content.h"
#include "bench/loadgen/options.h"
#include "bench/loadgen/random.h"
#include "bmc/protocol/udp_frame.h"
#include "tests/harness/error.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace storage
{

namespace
{

/// Keys and values of the BMC paper's evaluation.
Scenario small(std::string name, std::string what, std::string distribution, double theta)
{
    Scenario scenario;
    runner::Workload &workload = scenario.workload;

    workload.name = std::move(name);
    workload.what = std::move(what);
    workload.key_size = 16;
    workload.value_size = "32";
    workload.distribution = std::move(distribution);
    workload.theta = theta;
    return scenario;
}

bool same_gets(const runner::Workload &a, const runner::Workload &b)
{
    return a.key_size == b.key_size && a.value_size == b.value_size &&
           a.distribution == b.distribution && (a.distribution != "zipf" || a.theta == b.theta);
}

/// Whether some value is so small that an entry can hold it.
bool has_entries(const runner::Workload &workload)
{
    const auto sizes = loadgen::SizeDistribution::parse(workload.value_size);
    constexpr int samples = 100;

    for (int i = 0; sizes && i < samples; i++)
        if (sizes->pick(loadgen::mix64(static_cast<uint64_t>(i))) < BMC_REPLY_TEXT_MAX)
            return true;
    return false;
}

/// Another order of n keys: a bijection of 0 .. n-1 that parts neighbours.
uint32_t permuted(uint64_t key, uint64_t n)
{
    uint64_t factor = n / 2 + n / 8 + 1;

    while (std::gcd(factor, n) != 1)
        factor++;
    return static_cast<uint32_t>((key * factor + n / 3) % n);
}

} // namespace

std::vector<Scenario> scenarios(const std::vector<runner::Workload> &workloads, uint64_t keys)
{
    std::vector<Scenario> list = {
        small("zipf_0.99", "small values, zipf 0.99", "zipf", 0.99),
        small("zipf_0.9", "small values, zipf 0.9", "zipf", 0.9),
        small("zipf_1.2", "small values, zipf 1.2", "zipf", 1.2),
        small("uniform", "small values, all keys alike", "uniform", 0),
    };
    list.push_back(
        small("scan", "zipf 0.99, and one get in five walks all keys in order", "zipf", 0.99));
    list.back().sweep_share = 0.2;
    list.push_back(small("shift", "zipf 0.99, other keys become popular as the measuring begins",
                         "zipf", 0.99));
    list.back().shift = true;

    for (const runner::Workload &workload : workloads) {
        if (!has_entries(workload))
            continue;
        const auto known = std::find_if(list.begin(), list.end(), [&](const Scenario &scenario) {
            return scenario.sweep_share == 0 && !scenario.shift &&
                   same_gets(scenario.workload, workload);
        });
        if (known == list.end())
            list.push_back({.workload = workload});
        else
            known->same.push_back(workload.name);
    }
    for (Scenario &scenario : list)
        scenario.workload.keys = keys;
    return list;
}

std::vector<uint32_t> make_trace(const Scenario &scenario, uint64_t requests, uint64_t seed)
{
    loadgen::Options options;
    options.keys = scenario.workload.keys;
    options.distribution = scenario.workload.distribution;
    options.theta = scenario.workload.theta;
    const loadgen::KeyChoice choose = loadgen::key_choice(options);
    const bool sequential = options.distribution == "sequential";
    loadgen::Random random(seed);
    std::vector<uint32_t> trace;
    uint64_t walk = 0;

    trace.reserve(requests);
    for (uint64_t i = 0; i < requests; i++) {
        if (sequential || (scenario.sweep_share > 0 && random.uniform() < scenario.sweep_share)) {
            trace.push_back(static_cast<uint32_t>(walk++ % options.keys));
            continue;
        }
        const uint64_t key = choose(random);
        trace.push_back(scenario.shift && i >= requests / 2 ? permuted(key, options.keys)
                                                            : static_cast<uint32_t>(key));
    }
    return trace;
}

} // namespace storage
