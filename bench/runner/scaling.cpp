// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/experiment.h"

#include "bench/runner/interrupt.h"
#include "tests/harness/error.h"
#include "tests/harness/paths.h"

#include <chrono>
#include <csignal>
#include <fmt/format.h>
#include <sys/wait.h>

namespace runner
{

// Packets sent from CPU n arrive at queue n modulo 2 (Linux, drivers/net/veth.c:
// veth_select_rxq()). With one server CPU all come from the other CPU. With two, each CPU
// sends to the queue whose thread is on the other: the generators share the server's CPUs,
// so the figure is hits by CPU time of the threads that receive, not by wall clock.
Outcome measure_scaling(Context &context)
{
    const Workload workload = context.workload("paper");
    const Cpus cpus = context.settings().cpus;
    System cached(cpus,
                  {.front = System::Front::bmc, .memory = context.memory(workload), .queues = 2});
    const std::optional<Server> origin(cached.start({.keys = workload.keys}, true));

    context.progress().preparing("storing the keys and filling the cache");
    cached.store(*origin, workload);
    cached.get_all(*origin, workload);

    const auto packets = [&workload](double length) {
        return with(trafficgen_arguments(workload), {"--seconds", fmt::to_string(length)});
    };
    const std::string both = fmt::format("{},{}", cpus.server, cpus.client);
    const Rounds measured =
        alternate(context, context.rounds(8), 2, context.turn_seconds(0.5),
                  {{"one CPU",
                    [&](double s) {
                        cached.pin_server_threads({cpus.server});
                        return cached.generate(origin, packets(s));
                    }},
                   {"two CPUs", [&](double s) {
                        // Queue 0 is that of even CPUs.
                        const bool server_is_even = cpus.server % 2 == 0;
                        cached.pin_server_threads(server_is_even
                                                      ? std::vector<int>{cpus.client, cpus.server}
                                                      : std::vector<int>{cpus.server, cpus.client});
                        return cached.generate(origin, packets(s), both);
                    }}});

    Outcome outcome;
    outcome.details = measured.json();
    outcome.details["workload"] = to_json(workload);
    outcome.ratios.push_back({.name = "hits_per_core_on_two",
                              .what = "CPU time of a hit on one server CPU to that on two at once",
                              .unit = "of the throughput per core",
                              .rounds = measured.each([](const auto &round) {
                                  return round.at("one CPU").cpu_us() /
                                         round.at("two CPUs").cpu_us();
                              })});
    return outcome;
}

// The load runs while the kernel's own statistics of the programs are on.
Outcome measure_programs(Context &context)
{
    using bmc::test::Error;
    using bmc::test::Process;
    const Workload hits = context.workload("paper");
    Workload sets = context.workload("paper_80_20");
    sets.set_ratio = 0.5;
    const Workload misses = context.workload("all_miss");
    const double seconds = context.turn_seconds(2);

    Outcome outcome;
    const auto programs_under = [&](const System &system, const char *name,
                                    const std::function<void(double)> &load) {
        Process counting({bmc::test::program_path("bmc-trafficgen"), "programs", "--instance",
                          system.cache().instance(), "--seconds", fmt::to_string(seconds), "--json",
                          "-"});
        load(seconds + 0.5);
        if (wait_for(counting) != 0)
            throw Error("bmc-trafficgen programs: " + counting.err());
        outcome.details[name] = nlohmann::ordered_json::parse(counting.out());
    };

    {
        const System cached(context.settings().cpus,
                            {.front = System::Front::bmc, .memory = context.memory(hits)});
        const std::optional<Server> origin(cached.start({.keys = hits.keys}, true));
        context.progress().preparing("storing the keys and filling the cache");
        cached.store(*origin, hits);
        cached.get_all(*origin, hits);
        programs_under(cached, "hits", [&](double s) {
            cached.generate(origin,
                            with(trafficgen_arguments(hits), {"--seconds", fmt::to_string(s)}));
        });
        programs_under(cached, "gets_and_sets", [&](double s) {
            Workload same_keys = hits;
            same_keys.set_ratio = sets.set_ratio;
            cached.load(*origin, busy(same_keys, s));
        });
    }
    {
        const System cached(context.settings().cpus,
                            {.front = System::Front::bmc, .memory = memory_for(misses)});
        const Server origin = cached.start({.keys = misses.keys}, true);
        cached.store(origin, misses);
        programs_under(cached, "misses", [&](double s) { cached.load(origin, busy(misses, s)); });
    }
    return outcome;
}

} // namespace runner
