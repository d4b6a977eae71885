// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/experiment.h"

#include <fmt/format.h>

namespace runner
{

namespace
{

// Both servers stand behind the same interface, with bmc attached all the time. They are
// started anew for each round, so that where their memory happens to lie averages out.
// The CPU time is that of the server's process alone, as what receives for it is the same;
// but bmc follows what is sent to a stock memcached where it is received.
Outcome measure(Context &context, int outstanding, Ratio ratio, bool stock = false)
{
    Workload workload = context.workload("paper_80_20");
    workload.distribution = "uniform";
    workload.set_ratio = 1;
    constexpr uint16_t plain_port = port + 1;

    const System system(
        context.settings().cpus,
        {.front = System::Front::bmc,
         .memory = context.settings().memory.value_or("256M"),
         .stock = stock});
    std::optional<Server> plain;
    std::optional<Server> observed;
    const auto start = [&] {
        plain.reset();
        observed.reset();
        plain.emplace(
            system.start({.stock = stock, .port = plain_port, .keys = workload.keys}, false));
        observed.emplace(system.start({.stock = stock, .keys = workload.keys}, !stock));
        system.store(*plain, workload);
        system.store(*observed, workload);
    };
    const auto load = [&](const Server &server, double length) {
        return system.load(server,
                           with(loadgen_arguments(workload),
                                {"--stored", "--seconds", fmt::to_string(length), "--threads", "8",
                                 "--sockets", "1", "--outstanding", fmt::to_string(outstanding)}),
                           stock);
    };
    const char *const name = stock ? "followed" : "clocks";
    const Rounds measured = alternate(context, context.rounds(12), 8, context.turn_seconds(0.25),
                                      {{"plain", [&](double s) { return load(*plain, s); }},
                                       {name, [&](double s) { return load(*observed, s); }}},
                                      start);

    ratio.rounds = measured.each([name](const auto &round) {
        return round.at("plain").cpu_us() / round.at(name).cpu_us();
    });
    Outcome outcome;
    outcome.details = measured.json();
    outcome.details["workload"] = to_json(workload);
    outcome.details["outstanding_on_each_connection"] = outstanding;
    outcome.ratios.push_back(std::move(ratio));
    return outcome;
}

} // namespace

// A connection waits for its answer before it sends the next SET.
Outcome measure_sets(Context &context)
{
    return measure(context, 1,
                   {.name = "set_throughput_with_clocks",
                    .what = "SETs by CPU time of memcached-sr with -o bmc= to those without",
                    .unit = "of the throughput",
                    .target = Target{0.97, true}});
}

// System calls serve many SETs each, so that what a tick costs weighs most.
Outcome measure_sets_pipelined(Context &context)
{
    return measure(context, 32,
                   {.name = "set_throughput_pipelined",
                    .what = "the same with 32 SETs on their way on each connection",
                    .unit = "of the throughput"});
}

// Every byte to a stock memcached is followed on its way.
Outcome measure_sets_followed(Context &context)
{
    return measure(context, 1,
                   {.name = "set_throughput_followed",
                    .what = "SETs by CPU time with a stock memcached that bmc follows to those of "
                            "one that it does not",
                    .unit = "of the throughput",
                    .target = Target{0.9, true}},
                   true);
}

} // namespace runner
