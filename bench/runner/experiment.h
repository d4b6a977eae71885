// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_RUNNER_EXPERIMENT_H
#define BENCH_RUNNER_EXPERIMENT_H

#include "bench/runner/progress.h"
#include "bench/runner/statistics.h"
#include "bench/runner/system.h"
#include "bench/runner/workload.h"

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace runner
{

/// What the command line says about how to measure.
struct Settings {
    Cpus cpus;
    std::optional<unsigned> rounds;
    std::optional<double> turn_seconds;
    std::optional<uint64_t> keys; ///< at most so many
    std::optional<std::string> memory;
    double warm_up_seconds = 3;
};

/// One figure: a ratio of two things measured in the same rounds, with its goal.
struct Ratio {
    std::string name;
    std::string what;
    std::string unit;
    std::vector<double> rounds{}; ///< of each round
    std::optional<Target> target{};
    double shift = 0;                     ///< added to what is shown, after it was judged
    std::optional<std::string> invalid{}; ///< why the measurement itself does not count
};

struct Outcome {
    std::vector<Ratio> ratios;
    nlohmann::ordered_json details; ///< raw figures of every round, and summaries
};

/// What an experiment measures with.
class Context
{
  public:
    Context(const Settings &settings, Progress &progress) : settings_(settings), progress_(progress)
    {
    }

    const Settings &settings() const { return settings_; }
    Progress &progress() { return progress_; }
    unsigned rounds(unsigned usual) const { return settings_.rounds.value_or(usual); }
    double turn_seconds(double usual) const { return settings_.turn_seconds.value_or(usual); }
    /// A workload of bench/workloads, with no more keys than the settings allow.
    Workload workload(const std::string &name) const;
    Workload limited(Workload workload) const;
    /// --memory for bmc under a workload.
    std::string memory(const Workload &workload) const;

  private:
    const Settings &settings_;
    Progress &progress_;
};

/// One of the systems that are compared, and how a turn of it is measured.
struct Contestant {
    std::string name;
    std::function<Sample(double seconds)> turn;
};

/// The turns of a system in one round, added up.
struct Round {
    double operations = 0;
    double server_cpu_s = 0;
    double seconds = 0;
    std::vector<double> medians_us;
    std::vector<nlohmann::ordered_json> turns;

    double cpu_us() const { return 1e6 * server_cpu_s / operations; }
    double median_us() const { return median_of(medians_us); }
};

/// All rounds of a comparison, by the name of the system.
struct Rounds {
    std::vector<std::map<std::string, Round>> rounds;

    /// One number for each round.
    std::vector<double>
    each(const std::function<double(const std::map<std::string, Round> &)> &number) const;
    std::vector<double> cpu_us(const std::string &name) const;
    /// The raw figures, and the spread of CPU time and latency of each system.
    nlohmann::ordered_json json() const;
};

/// Measures every contestant `turns` times in every round, in short turns, and in an
/// order that changes with them: what else happens on the machine meets all alike.
Rounds alternate(Context &context, unsigned rounds, unsigned turns, double seconds,
                 const std::vector<Contestant> &contestants,
                 const std::function<void()> &before_round = {});

/// Seconds that a turn takes beside its own: programs start and end.
inline constexpr double turn_overhead_s = 0.15;

/// Something that bmc-bench can measure.
struct Experiment {
    std::string name;
    std::string what;
    bool quick;     ///< part of --quick
    double seconds; ///< that it takes, about
    std::function<Outcome(Context &)> run;
};

/// All of them, in the order in which they run.
const std::vector<Experiment> &experiments();

// The experiments, one file each.
Outcome measure_hits(Context &context);
Outcome measure_misses(Context &context);
Outcome measure_mix(Context &context);
Outcome measure_items(Context &context);
Outcome measure_sets(Context &context);
Outcome measure_sets_pipelined(Context &context);
Outcome measure_sets_followed(Context &context);
Outcome measure_workloads(Context &context);
Outcome measure_cache_size(Context &context);
Outcome measure_latency(Context &context);
Outcome measure_scaling(Context &context);
Outcome measure_programs(Context &context);

/// `--option value` pairs behind others.
std::vector<std::string> with(std::vector<std::string> arguments,
                              const std::vector<std::string> &more);

/// The options of a closed loop over UDP and TCP that keeps a server busy, for so long.
std::vector<std::string> busy(const Workload &workload, double seconds);

nlohmann::ordered_json to_json(const Spread &spread);

} // namespace runner

#endif
