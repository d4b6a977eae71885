// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/experiment.h"

#include <fmt/format.h>

namespace runner
{

// The ideal of a mix is that a GET costs what a hit costs, and a SET what as many SETs a
// second cost by themselves. (As many as the client can send would cost less each: one
// system call of the server then serves several.) All three loads come from the same
// client.
Outcome measure_mix(Context &context)
{
    const Workload mix = context.workload("paper_80_20");
    const unsigned rounds = context.rounds(10);
    const double seconds = context.turn_seconds(0.5);
    Workload gets = mix;
    gets.set_ratio = 0;
    Workload sets = mix;
    sets.set_ratio = 1;

    const System cached(context.settings().cpus,
                        {.front = System::Front::bmc, .memory = context.memory(mix)});
    const System alone(context.settings().cpus, {});
    const Server origin = cached.start({.keys = mix.keys}, true);
    const Server stock = alone.start({.stock = true, .keys = mix.keys}, false);

    context.progress().preparing("storing the keys");
    cached.store(origin, mix);
    alone.store(stock, mix);

    const double sets_per_s = [&] {
        cached.get_all(origin, mix);
        const Sample sample = cached.load(origin, busy(mix, seconds));
        return sample.raw.at("sets").get<double>() / sample.seconds;
    }();

    bmc::test::Counters counted;
    const Rounds measured = alternate(
        context, rounds, 2, seconds,
        {
            {"hits",
             [&](double s) {
                 cached.get_all(origin, mix); // what SETs have made invalid
                 return cached.load(origin, busy(gets, s));
             }},
            {"sets",
             [&](double s) {
                 return cached.load(origin, with(busy(sets, s), {"--arrivals", "poisson", "--rate",
                                                                 fmt::to_string(sets_per_s)}));
             }},
            {"mix",
             [&](double s) {
                 cached.get_all(origin, mix);
                 const auto before = cached.cache().counters();
                 Sample sample = cached.load(origin, busy(mix, s));
                 for (const auto &[name, growth] :
                      bmc::test::grown(before, cached.cache().counters()))
                     counted[name] += growth;
                 return sample;
             }},
            {"stock_mix", [&](double s) { return alone.load(stock, busy(mix, s)); }},
        });

    Outcome outcome;
    outcome.details = measured.json();
    outcome.details["workload"] = to_json(mix);
    outcome.details["sets_per_s"] = sets_per_s;
    outcome.details["counters_of_mix"] = counted;
    outcome.details["share_of_hits"] =
        static_cast<double>(counted["hit"]) / static_cast<double>(counted["rx_gets"]);
    outcome.ratios.push_back(
        {.name = "mix_80_20",
         .what = "0.8 of a hit's CPU time and 0.2 of a SET's to that of a request of the mix",
         .unit = "of the ideal",
         .rounds = measured.each([](const auto &round) {
             return (0.8 * round.at("hits").cpu_us() + 0.2 * round.at("sets").cpu_us()) /
                    round.at("mix").cpu_us();
         }),
         .target = Target{0.9, true}});
    outcome.ratios.push_back(
        {.name = "mix_80_20_vs_stock",
         .what = "CPU time of a request of the mix by stock memcached to that with bmc",
         .unit = "times",
         .rounds = measured.each([](const auto &round) {
             return round.at("stock_mix").cpu_us() / round.at("mix").cpu_us();
         })});
    return outcome;
}

} // namespace runner
