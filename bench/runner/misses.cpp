// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/experiment.h"

#include <fmt/format.h>

namespace runner
{

namespace
{

/// Share of the GETs that must miss for the figures to count.
constexpr double misses_wanted = 0.95;

} // namespace

// One request at a time: nothing waits for anything but the path itself.
Outcome measure_misses(Context &context)
{
    const Workload workload = context.workload("all_miss");
    const unsigned rounds = context.rounds(12);
    const double seconds = context.turn_seconds(0.5);

    const System passed(context.settings().cpus, {.front = System::Front::pass});
    const System cached(context.settings().cpus,
                        {.front = System::Front::bmc, .memory = memory_for(workload)});
    const Server plain = passed.start({.keys = workload.keys}, false);
    const Server origin = cached.start({.keys = workload.keys}, true);

    context.progress().preparing("storing the keys");
    passed.store(plain, workload);
    cached.store(origin, workload);

    const auto one_by_one = [&workload](double length) {
        return with(loadgen_arguments(workload),
                    {"--stored", "--seconds", fmt::to_string(length), "--threads", "1", "--sockets",
                     "1", "--outstanding", "1"});
    };
    const auto before = cached.cache().counters();
    const Rounds measured =
        alternate(context, rounds, 2, seconds,
                  {{"pass", [&](double s) { return passed.load(plain, one_by_one(s)); }},
                   {"bmc", [&](double s) { return cached.load(origin, one_by_one(s)); }}});
    auto counted = bmc::test::grown(before, cached.cache().counters());
    const double missed =
        1 - static_cast<double>(counted["hit"]) / static_cast<double>(counted["rx_gets"]);

    Outcome outcome;
    outcome.details = measured.json();
    outcome.details["workload"] = to_json(workload);
    outcome.details["share_of_misses"] = missed;
    outcome.details["counters"] = counted;
    std::optional<std::string> invalid;
    if (!(missed >= misses_wanted))
        invalid = fmt::format("only {:.1f} % of the GETs missed", 100 * missed);
    outcome.ratios.push_back(
        {.name = "miss_latency_added",
         .what = "median latency of a GET that misses to that behind an empty XDP program, less 1",
         .unit = "of the latency",
         .rounds = measured.each([](const auto &round) {
             return round.at("bmc").median_us() / round.at("pass").median_us();
         }),
         .target = Target{1.05, false},
         .shift = -1,
         .invalid = invalid});
    outcome.ratios.push_back(
        {.name = "miss_cpu_added",
         .what = "CPU time of a GET that misses to that behind an empty XDP program, less 1",
         .unit = "of the CPU time",
         .rounds = measured.each([](const auto &round) {
             return round.at("bmc").cpu_us() / round.at("pass").cpu_us();
         }),
         .target = Target{1.05, false},
         .shift = -1,
         .invalid = invalid});
    return outcome;
}

} // namespace runner
