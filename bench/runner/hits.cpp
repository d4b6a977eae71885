// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/experiment.h"

#include <algorithm>
#include <fmt/format.h>

namespace runner
{

namespace
{

/// Share of the replies that must carry a value for the figures to count.
constexpr double values_wanted = 0.999;

double share_of_values(const Sample &sample)
{
    return sample.raw.at("values").get<double>() / sample.raw.at("replies").get<double>();
}

} // namespace

// Stock memcached is loaded over sockets, which saturate it; hits and the echo by packets
// that the kernel makes, because sockets do not come near.
Outcome measure_hits(Context &context)
{
    const Workload workload = context.workload("paper");
    const unsigned rounds = context.rounds(10);
    const double seconds = context.turn_seconds(0.5);

    const System stock(context.settings().cpus, {});
    const System echo(context.settings().cpus, {.front = System::Front::echo});
    const System cached(context.settings().cpus,
                        {.front = System::Front::bmc, .memory = context.memory(workload)});
    const std::optional<Server> stock_server(
        stock.start({.stock = true, .keys = workload.keys}, false));
    const std::optional<Server> cached_server(cached.start({.keys = workload.keys}, true));

    context.progress().preparing("storing the keys and filling the cache");
    stock.store(*stock_server, workload);
    cached.store(*cached_server, workload);
    cached.get_all(*cached_server, workload);

    const auto packets = [&workload](double length) {
        return with(trafficgen_arguments(workload), {"--seconds", fmt::to_string(length)});
    };
    double fewest_values = 1;
    const auto before = cached.cache().counters();
    const Rounds measured = alternate(
        context, rounds, 2, seconds,
        {
            {"stock", [&](double s) { return stock.load(*stock_server, busy(workload, s)); }},
            {"echo", [&](double s) { return echo.generate(std::nullopt, packets(s)); }},
            {"bmc",
             [&](double s) {
                 Sample sample = cached.generate(cached_server, packets(s));
                 fewest_values = std::min(fewest_values, share_of_values(sample));
                 return sample;
             }},
        });
    const auto counted = bmc::test::grown(before, cached.cache().counters());

    Outcome outcome;
    outcome.details = measured.json();
    outcome.details["workload"] = to_json(workload);
    outcome.details["smallest_share_of_values"] = fewest_values;
    outcome.details["counters"] = counted;
    std::optional<std::string> invalid;
    if (fewest_values < values_wanted)
        invalid = fmt::format("only {:.2f} % of the replies had a value", 100 * fewest_values);
    outcome.ratios.push_back({.name = "hits_per_core_vs_stock",
                              .what = "CPU time of a UDP GET by stock memcached to that of a hit",
                              .unit = "times",
                              .rounds = measured.each([](const auto &round) {
                                  return round.at("stock").cpu_us() / round.at("bmc").cpu_us();
                              }),
                              .target = Target{25, true},
                              .invalid = invalid});
    outcome.ratios.push_back({.name = "hits_vs_echo",
                              .what = "CPU time of a packet sent back by XDP to that of a hit",
                              .unit = "of the ceiling",
                              .rounds = measured.each([](const auto &round) {
                                  return round.at("echo").cpu_us() / round.at("bmc").cpu_us();
                              }),
                              .target = Target{0.65, true},
                              .invalid = invalid});
    return outcome;
}

} // namespace runner
