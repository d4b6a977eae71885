// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/experiment.h"

#include "tests/harness/paths.h"

#include <fmt/format.h>
#include <memory>

namespace runner
{

namespace
{

/// Values from 100 to 1380 bytes are to be answered by the kernel at this much of stock
/// memcached's throughput of a core.
constexpr double large_target = 4;

double hit_ratio(bmc::test::Counters counted)
{
    return counted["rx_gets"] == 0
               ? 0
               : static_cast<double>(counted["hit"]) / static_cast<double>(counted["rx_gets"]);
}

/// On systems without bmc, which are the same for all workloads.
Outcome measure(Context &context, const Workload &workload, const System &alone,
                const System &patched)
{
    const System cached(context.settings().cpus,
                        {.front = System::Front::bmc, .memory = context.memory(workload)});
    const Server stock = alone.start({.stock = true, .keys = workload.keys}, false);
    const Server plain = patched.start({.keys = workload.keys}, false);
    const Server origin = cached.start({.keys = workload.keys}, true);

    context.progress().preparing(workload.name + ": storing the keys and filling the cache");
    alone.store(stock, workload);
    patched.store(plain, workload);
    cached.store(origin, workload);
    cached.get_all(origin, workload);
    if (workload.memory_share > 0) // what stays in the cache follows the load
        cached.load(origin, busy(workload, context.settings().warm_up_seconds));

    const auto before = cached.cache().counters();
    const Rounds measured = alternate(
        context, context.rounds(6), 1, context.turn_seconds(0.5),
        {{"stock", [&](double s) { return alone.load(stock, busy(workload, s)); }},
         {"memcached_sr", [&](double s) { return patched.load(plain, busy(workload, s)); }},
         {"bmc", [&](double s) { return cached.load(origin, busy(workload, s)); }}});
    const auto counted = bmc::test::grown(before, cached.cache().counters());

    Outcome outcome;
    outcome.details = measured.json();
    outcome.details["workload"] = to_json(workload);
    outcome.details["memory"] = context.memory(workload);
    outcome.details["hit_ratio"] = hit_ratio(counted);
    outcome.details["counters"] = counted;
    const bool large = workload.name.starts_with("large_");
    outcome.ratios.push_back(
        {.name = workload.name + "_vs_stock",
         .what = fmt::format("{}: CPU time of a request by stock memcached to that with bmc",
                             workload.what),
         .unit = "times",
         .rounds = measured.each([](const auto &round) {
             return round.at("stock").cpu_us() / round.at("bmc").cpu_us();
         }),
         .target = large ? std::optional(Target{large_target, true}) : std::nullopt});
    return outcome;
}

} // namespace

// All clients are sockets, closed loop: they saturate stock memcached, but not bmc, whose
// CPU time of a request holds more waking up and less batching than at full rate.
Outcome measure_workloads(Context &context)
{
    const System alone(context.settings().cpus, {});
    const System patched(context.settings().cpus, {});
    Outcome all;

    for (const Workload &workload : read_workloads(bmc::test::source_path("bench/workloads"))) {
        Outcome one = measure(context, context.limited(workload), alone, patched);
        all.details[workload.name] = std::move(one.details);
        all.ratios.insert(all.ratios.end(), one.ratios.begin(), one.ratios.end());
    }
    return all;
}

// Every size of the cache has a system of its own.
Outcome measure_cache_size(Context &context)
{
    const Workload workload = context.workload("paper");
    const System alone(context.settings().cpus, {});
    const Server stock = alone.start({.stock = true, .keys = workload.keys}, false);
    alone.store(stock, workload);

    struct Sized {
        double share;
        std::string name;
        std::string memory;
        std::unique_ptr<System> system;
        std::optional<Server> server;
        bmc::test::Counters counted;
    };
    std::vector<Sized> sizes;
    std::vector<Contestant> contestants = {
        {"stock", [&](double s) { return alone.load(stock, busy(workload, s)); }}};
    for (const double percent : {0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0}) {
        Workload limited = workload;
        limited.memory_share = percent / 100;
        Sized &sized = sizes.emplace_back();
        sized.share = limited.memory_share;
        sized.name = fmt::format("{} %", percent);
        sized.memory = memory_for(limited);
        context.progress().preparing("filling a cache of " + sized.name);
        sized.system = std::make_unique<System>(
            context.settings().cpus,
            System::Options{.front = System::Front::bmc, .memory = sized.memory});
        sized.server.emplace(sized.system->start({.keys = workload.keys}, true));
        sized.system->store(*sized.server, workload);
        sized.system->load(*sized.server, busy(workload, context.settings().warm_up_seconds));
    }
    for (Sized &sized : sizes)
        contestants.push_back({sized.name, [&](double s) {
                                   const auto before = sized.system->cache().counters();
                                   Sample sample =
                                       sized.system->load(*sized.server, busy(workload, s));
                                   for (const auto &[name, growth] :
                                        bmc::test::grown(before, sized.system->cache().counters()))
                                       sized.counted[name] += growth;
                                   return sample;
                               }});
    const Rounds measured =
        alternate(context, context.rounds(6), 1, context.turn_seconds(0.5), contestants);

    Outcome outcome;
    outcome.details = measured.json();
    outcome.details["workload"] = to_json(workload);
    outcome.details["bytes_of_text"] = text_bytes(workload);
    auto &list = outcome.details["sizes"] = nlohmann::ordered_json::array();
    for (const Sized &sized : sizes)
        list.push_back({{"share_of_text", sized.share},
                        {"memory", sized.memory},
                        {"hit_ratio", hit_ratio(sized.counted)},
                        {"cpu_us", median_of(measured.cpu_us(sized.name))},
                        {"cpu_us_stock", median_of(measured.cpu_us("stock"))}});
    return outcome;
}

} // namespace runner
