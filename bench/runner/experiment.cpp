// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/experiment.h"

#include "bench/runner/interrupt.h"
#include "tests/harness/paths.h"

#include <algorithm>
#include <fmt/format.h>

namespace runner
{

Workload Context::limited(Workload workload) const
{
    workload.keys = std::min(workload.keys, settings_.keys.value_or(workload.keys));
    return workload;
}

Workload Context::workload(const std::string &name) const
{
    return limited(
        read_workload(bmc::test::source_path(fmt::format("bench/workloads/{}.json", name))));
}

std::string Context::memory(const Workload &workload) const
{
    return settings_.memory.value_or(memory_for(workload));
}

std::vector<double>
Rounds::each(const std::function<double(const std::map<std::string, Round> &)> &number) const
{
    std::vector<double> numbers;

    for (const auto &round : rounds)
        numbers.push_back(number(round));
    return numbers;
}

std::vector<double> Rounds::cpu_us(const std::string &name) const
{
    return each([&name](const auto &round) { return round.at(name).cpu_us(); });
}

nlohmann::ordered_json Rounds::json() const
{
    auto systems = nlohmann::ordered_json::object();
    auto list = nlohmann::ordered_json::array();

    for (const auto &[name, first] : rounds.front()) {
        const std::string &system = name;
        auto &entry = systems[name];
        entry["cpu_us_per_operation"] = to_json(spread_of(cpu_us(name)));
        entry["operations_per_s"] = to_json(spread_of(each([&system](const auto &round) {
            return round.at(system).operations / round.at(system).seconds;
        })));
        if (first.median_us() > 0)
            entry["median_us"] = to_json(spread_of(
                each([&system](const auto &round) { return round.at(system).median_us(); })));
    }
    for (size_t i = 0; i < rounds.size(); i++)
        for (const auto &[name, round] : rounds[i])
            list.push_back({{"round", i + 1},
                            {"system", name},
                            {"operations", round.operations},
                            {"server_cpu_s", round.server_cpu_s},
                            {"seconds", round.seconds},
                            {"cpu_us_per_operation", round.cpu_us()},
                            {"turns", round.turns}});
    return {{"systems", std::move(systems)}, {"rounds", std::move(list)}};
}

Rounds alternate(Context &context, unsigned rounds, unsigned turns, double seconds,
                 const std::vector<Contestant> &contestants,
                 const std::function<void()> &before_round)
{
    Rounds all;

    for (unsigned number = 1; number <= rounds; number++) {
        context.progress().round(number, rounds);
        if (before_round)
            before_round();
        auto &round = all.rounds.emplace_back();
        for (unsigned turn = 0; turn < turns; turn++) {
            for (size_t i = 0; i < contestants.size(); i++) {
                check_interrupt();
                const Contestant &contestant =
                    contestants[(i + turn + number) % contestants.size()];
                Sample sample = contestant.turn(seconds);
                Round &sum = round[contestant.name];
                sum.operations += sample.operations;
                sum.server_cpu_s += sample.server_cpu_s;
                sum.seconds += sample.seconds;
                sum.medians_us.push_back(sample.median_us);
                sum.turns.push_back(std::move(sample.raw));
            }
        }
    }
    return all;
}

const std::vector<Experiment> &experiments()
{
    static const std::vector<Experiment> all = {
        {"hits", "GETs that hit, against stock memcached and against an XDP echo", true, 70,
         measure_hits},
        {"misses", "what a GET that misses takes longer than without bmc", true, 50,
         measure_misses},
        {"mix", "four GETs to a SET over TCP, against the sum of its parts", true, 60, measure_mix},
        {"items", "items that fit a GiB of memory", true, 40, measure_items},
        {"sets", "SETs over TCP with clocks, against those without", true, 90, measure_sets},
        {"sets_pipelined", "the same with 32 SETs on their way on each connection", false, 90,
         measure_sets_pipelined},
        {"sets_followed", "SETs over TCP to a stock memcached that bmc follows, against one not",
         false, 90, measure_sets_followed},
        {"workloads", "every workload: CPU time of a request with three systems", false, 400,
         measure_workloads},
        {"cache_size", "hit ratio and CPU time of a request by memory", false, 150,
         measure_cache_size},
        {"latency", "latency by offered rate", false, 120, measure_latency},
        {"scaling", "hits on one and on two server CPUs", false, 40, measure_scaling},
        {"programs", "ns of every kernel program", false, 30, measure_programs},
    };

    return all;
}

std::vector<std::string> with(std::vector<std::string> arguments,
                              const std::vector<std::string> &more)
{
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

std::vector<std::string> busy(const Workload &workload, double seconds)
{
    return with(loadgen_arguments(workload),
                {"--stored", "--seconds", fmt::to_string(seconds), "--threads", "1", "--sockets",
                 "4", "--outstanding", "16"});
}

nlohmann::ordered_json to_json(const Spread &spread)
{
    nlohmann::ordered_json interval;

    if (spread.interval)
        interval = {spread.interval->low, spread.interval->high};
    return {{"median", spread.median}, {"interval_95", interval}, {"q1", spread.q1},
            {"q3", spread.q3},         {"min", spread.min},       {"max", spread.max},
            {"rounds", spread.rounds}};
}

} // namespace runner
