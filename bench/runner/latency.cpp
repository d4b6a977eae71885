// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/experiment.h"

#include <fmt/format.h>

namespace runner
{

// Open loop: requests leave at the times of a Poisson process, however slow the replies
// are, and latency counts from these times.
Outcome measure_latency(Context &context)
{
    const Workload workload = context.workload("paper_80_20");
    Workload gets = workload;
    gets.set_ratio = 0;
    const std::vector<int> rates = {5'000,  10'000,  20'000,  40'000, 60'000,
                                    80'000, 100'000, 120'000, 160'000};
    const std::vector<const char *> quantiles = {"p50_us", "p90_us", "p99_us", "p999_us"};

    const System alone(context.settings().cpus, {});
    const System cached(context.settings().cpus,
                        {.front = System::Front::bmc, .memory = context.memory(gets)});
    const Server stock = alone.start({.stock = true, .keys = gets.keys}, false);
    const Server origin = cached.start({.keys = gets.keys}, true);
    context.progress().preparing("storing the keys and filling the cache");
    alone.store(stock, gets);
    cached.store(origin, gets);
    cached.get_all(origin, gets);

    const auto at_rate = [&gets](int rate, double length) {
        return with(loadgen_arguments(gets),
                    {"--stored", "--seconds", fmt::to_string(length), "--threads", "1", "--sockets",
                     "4", "--outstanding", "256", "--arrivals", "poisson", "--rate",
                     fmt::to_string(rate)});
    };
    std::vector<Contestant> contestants;
    for (const int rate : rates) {
        contestants.push_back({fmt::format("stock {}", rate), [&, rate](double s) {
                                   return alone.load(stock, at_rate(rate, s));
                               }});
        contestants.push_back({fmt::format("bmc {}", rate), [&, rate](double s) {
                                   return cached.load(origin, at_rate(rate, s));
                               }});
    }
    const Rounds measured =
        alternate(context, context.rounds(6), 1, context.turn_seconds(0.8), contestants);

    Outcome outcome;
    outcome.details = measured.json();
    outcome.details["workload"] = to_json(gets);
    auto &list = outcome.details["rates"] = nlohmann::ordered_json::array();
    for (const int rate : rates) {
        for (const std::string system : {"stock", "bmc"}) {
            const std::string name = fmt::format("{} {}", system, rate);
            const auto median = [&](const char *field) {
                return median_of(measured.each([&](const auto &round) {
                    return round.at(name).turns.front().at(field).template get<double>();
                }));
            };
            nlohmann::ordered_json entry = {{"system", system},
                                            {"offered_per_s", rate},
                                            {"answered_per_s", median("ops_per_s")},
                                            {"unsent", median("unsent")},
                                            {"lost", median("lost")}};
            for (const char *quantile : quantiles)
                entry[quantile] = median(quantile);
            list.push_back(entry);
        }
    }
    return outcome;
}

} // namespace runner
