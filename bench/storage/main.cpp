// SPDX-License-Identifier: BSD-3-Clause
#include "bench/storage/hit_ratio.h"
#include "bench/storage/speed.h"
#include "bench/storage/trace.h"
#include "bmc/lib/memory.h"
#include "bmc/lib/parse.h"
#include "tests/harness/error.h"
#include "tests/harness/paths.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <optional>
#include <unistd.h>

namespace
{

using namespace storage;
using bmc::test::Error;
using Json = nlohmann::ordered_json;

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

struct Arguments {
    bool quick = false;
    bool list = false;
    bool ratios_only = false;
    uint64_t keys = 500'000;
    uint64_t requests = 0;
    uint64_t seed = 1;
    std::vector<std::string> only;
    std::vector<double> percent = {0.1, 0.3, 1, 3, 10, 30, 60, 100};
    std::vector<std::string> memory;
    std::vector<uint32_t> buckets;
    std::string workloads;
    std::string items_memory = "64M";
    std::string json;
};

void declare(CLI::App &app, Arguments &arguments)
{
    auto *what = app.add_option_group("What to simulate");
    auto *keys = what->add_option("-k,--keys", arguments.keys, "Keys of every scenario")
                     ->check(CLI::Range(100, 100'000'000))
                     ->capture_default_str();
    what->add_flag("--quick", arguments.quick, "50000 keys, in less than a minute")->excludes(keys);
    what->add_option("--requests", arguments.requests,
                     "Gets of every scenario, half of them before measuring (0: ten a key)")
        ->check(CLI::Range(uint64_t{0}, uint64_t{10'000'000'000}));
    what->add_option("--only", arguments.only, "These scenarios only; see --list");
    what->add_flag("--list", arguments.list, "Name the scenarios, and end");
    what->add_option("--workloads", arguments.workloads, "Folder of workload files");
    what->add_option("--seed", arguments.seed, "Seed of all random choices and of the key hash")
        ->capture_default_str();
    what->add_flag("--ratios-only", arguments.ratios_only, "No items per GiB, no times");
    what->add_option("--items-memory", arguments.items_memory,
                     "Memory, as bmc's --memory, for the items per GiB")
        ->capture_default_str();

    auto *size = app.add_option_group("Size of the caches, each a list");
    auto *percent =
        size->add_option("--percent", arguments.percent,
                         "Memory of the buckets, in percent of what the entries of all keys take")
            ->check(CLI::Range(0.001, 1000.0))
            ->delimiter(',')
            ->capture_default_str();
    auto *memory = size->add_option("--memory", arguments.memory,
                                    "As bmc's --memory, of which the buckets get a part")
                       ->delimiter(',');
    size->add_option("--buckets", arguments.buckets, "Number of buckets")
        ->check(CLI::Range(1, 1 << 24))
        ->delimiter(',')
        ->excludes(percent)
        ->excludes(memory);
    memory->excludes(percent);

    app.add_option("--json", arguments.json, "Write all figures as a JSON object to a file");
}

/// A budget of memory as bmc takes it, in bytes. Throws what is wrong with it.
uint64_t budget(const std::string &text)
{
    const auto bytes = bmc::parse_size(text);

    if (!bytes)
        throw CLI::ValidationError(bytes.error().line());
    if (*bytes < bmc::min_memory)
        throw CLI::ValidationError(fmt::format("memory {} is too small: give at least {}", text,
                                               bmc::format_size(bmc::min_memory)));
    return *bytes;
}

/// Sizes of the caches in buckets.
std::vector<uint32_t> sizes(const Arguments &arguments, const KeySet &keys)
{
    std::vector<uint32_t> counts = arguments.buckets;

    if (!counts.empty())
        return counts;
    for (const std::string &text : arguments.memory)
        counts.push_back(bmc::split_memory(budget(text)).bucket_count);
    if (!counts.empty())
        return counts;
    for (const double percent : arguments.percent)
        counts.push_back(static_cast<uint32_t>(std::max<long long>(
            1, std::llround(percent / 100 * static_cast<double>(keys.entry_bytes()) /
                            sizeof(bmc_bucket)))));
    return counts;
}

/// One line on stderr, rewritten on a terminal.
class Progress
{
  public:
    Progress() = default;
    ~Progress()
    {
        if (terminal_)
            fmt::print(stderr, "\r\x1b[K");
    }
    Progress(const Progress &) = delete;
    Progress(Progress &&) = delete;
    Progress &operator=(const Progress &) = delete;
    Progress &operator=(Progress &&) = delete;

    void show(const std::string &text) const
    {
        if (terminal_)
            fmt::print(stderr, "\r\x1b[Kbmc-hitratio: {}", text);
        else
            fmt::print(stderr, "bmc-hitratio: {}\n", text);
        std::fflush(stderr);
    }

  private:
    const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
};

constexpr double points = 100; // hit ratios are shown in percent

/// The worst of all, by which a change of the policy is judged.
struct Worst {
    double difference = 1;
    std::string where{};

    void note(double other, const std::string &place)
    {
        if (other < difference) {
            difference = other;
            where = place;
        }
    }
};

std::string table_head(const Scenario &scenario)
{
    std::string head = fmt::format("\n{}: {}\n", scenario.workload.name, scenario.workload.what);

    if (!scenario.same.empty())
        head += fmt::format("the same to a cache: {}\n", fmt::join(scenario.same, ", "));
    return head + fmt::format("{:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "MiB", "bmc", "lru",
                              "direct", "fitting", "- lru", "- best");
}

std::string table_row(const HitRatios &r)
{
    constexpr double mib = 1 << 20;

    return fmt::format("{:>10.2f} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.2f} {:>+9.2f} {:>+9.2f}\n",
                       r.bucket_count * sizeof(bmc_bucket) / mib, points * r.ratio[buckets],
                       points * r.ratio[lru], points * r.ratio[direct_mapped],
                       points * r.ratio[fitting_direct_mapped], -points * r.behind_lru(),
                       points * r.ahead_of_direct_mapped());
}

Json simulate(const Arguments &arguments, const std::vector<Scenario> &list,
              const Progress &progress, std::string &table)
{
    Json results = Json::array();
    Worst to_lru;
    Worst to_direct;
    size_t done = 0;

    for (const Scenario &scenario : list) {
        const runner::Workload &workload = scenario.workload;
        const auto sizes_of_values = loadgen::SizeDistribution::parse(workload.value_size);
        if (!sizes_of_values)
            throw Error(sizes_of_values.error().line());
        const auto content =
            loadgen::Content::make(workload.keys, workload.key_size, *sizes_of_values);
        if (!content)
            throw Error(fmt::format("{}: {}", workload.name, content.error().line()));
        const KeySet keys(*content, arguments.seed);
        const std::vector<uint32_t> trace =
            make_trace(scenario, arguments.requests > 0 ? arguments.requests : 10 * workload.keys,
                       arguments.seed);

        Json points_of_scenario = Json::array();
        table += table_head(scenario);
        for (const uint32_t count : sizes(arguments, keys)) {
            progress.show(fmt::format("scenario {} of {}: {}, {} buckets", done + 1, list.size(),
                                      workload.name, count));
            const HitRatios ratios = measure_hit_ratios(keys, trace, count);
            const std::string place = fmt::format("{} with {} buckets", workload.name, count);
            to_lru.note(-ratios.behind_lru(), place);
            to_direct.note(ratios.ratio[buckets] - ratios.ratio[direct_mapped], place);
            table += table_row(ratios);
            points_of_scenario.push_back(to_json(ratios));
        }
        results.push_back({{"name", workload.name},
                           {"what", workload.what},
                           {"same", scenario.same},
                           {"keys", workload.keys},
                           {"key_size", workload.key_size},
                           {"value_size", workload.value_size},
                           {"distribution", workload.distribution},
                           {"theta", workload.theta},
                           {"entry_bytes", keys.entry_bytes()},
                           {"sizes", std::move(points_of_scenario)}});
        done++;
    }
    table += fmt::format("\nleast ahead of the direct-mapped: {:+.2f} points, {}\n"
                         "furthest from LRU: {:+.2f} points, {}\n",
                         points * to_direct.difference, to_direct.where, points * to_lru.difference,
                         to_lru.where);
    return {{"scenarios", std::move(results)},
            {"least_ahead_of_direct_mapped",
             {{"difference", to_direct.difference}, {"where", to_direct.where}}},
            {"furthest_from_lru", {{"difference", to_lru.difference}, {"where", to_lru.where}}}};
}

std::vector<Scenario> chosen(const Arguments &arguments)
{
    const std::string folder = arguments.workloads.empty()
                                   ? bmc::test::source_path("bench/workloads")
                                   : arguments.workloads;
    std::vector<Scenario> list = scenarios(runner::read_workloads(folder), arguments.keys);

    for (const std::string &name : arguments.only)
        if (std::none_of(list.begin(), list.end(),
                         [&](const Scenario &s) { return s.workload.name == name; }))
            throw CLI::ValidationError(fmt::format("there is no scenario {}; see --list", name));
    if (!arguments.only.empty())
        list.erase(std::remove_if(list.begin(), list.end(),
                                  [&](const Scenario &s) {
                                      return std::find(arguments.only.begin(), arguments.only.end(),
                                                       s.workload.name) == arguments.only.end();
                                  }),
                   list.end());
    return list;
}

std::string text_of(const Capacity &capacity)
{
    return fmt::format("\nitems of 16 + 32 bytes: {} in --memory {} ({} buckets) after {} keys, "
                       "{:.2f} million a GiB\n",
                       capacity.entries, bmc::format_size(capacity.memory), capacity.bucket_count,
                       capacity.keys, capacity.items_per_gib() / 1e6);
}

std::string text_of(const Timing &timing)
{
    return fmt::format("{:<12} {:>7.1f} ns ({:.1f} to {:.1f}): {}; {} rounds of {} on {} buckets\n",
                       timing.name, timing.median_ns(), timing.rounds_ns.front(),
                       timing.rounds_ns.back(), timing.what, timing.rounds_ns.size(),
                       timing.operations, timing.bucket_count);
}

int run(Arguments &arguments)
{
    if (arguments.quick)
        arguments.keys = 50'000;
    const std::vector<Scenario> list = chosen(arguments);
    if (arguments.list) {
        for (const Scenario &scenario : list)
            fmt::print("{:<12} {}\n", scenario.workload.name, scenario.workload.what);
        return 0;
    }
    for (const std::string &text : arguments.memory)
        budget(text);
    const uint64_t items_memory = budget(arguments.items_memory);
    std::ofstream file;
    if (!arguments.json.empty()) {
        file.open(arguments.json);
        if (!file)
            throw CLI::ValidationError("cannot write " + arguments.json);
    }

    std::string table = "Share of hits in percent, with equal memory for the buckets; the right "
                        "columns are bmc less\nthe exact LRU, and less the better of the "
                        "direct-mapped caches.\n";
    Json report = {{"seed", arguments.seed}};
    {
        const Progress progress;
        report.update(simulate(arguments, list, progress, table));
        if (!arguments.ratios_only) {
            progress.show("items per GiB");
            const Capacity capacity = measure_capacity(items_memory, arguments.seed);
            report["capacity"] = to_json(capacity);
            table += text_of(capacity);
            progress.show("times");
            table += "\ntimes of the storage alone, a build for this host, median (least to most "
                     "of the rounds):\n";
            for (const Timing &timing : measure_times(arguments.seed)) {
                report["times"].push_back(to_json(timing));
                table += text_of(timing);
            }
        }
    }
    fmt::print("{}", table);
    if (file.is_open()) {
        file << report.dump(4) << '\n' << std::flush;
        if (!file)
            throw Error("cannot write " + arguments.json);
    }
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    Arguments arguments;
    CLI::App app("Simulates the storage of bmc, built for the host, against an exact LRU and a "
                 "direct-mapped cache of the same memory.",
                 "bmc-hitratio");

    declare(app, arguments);
    app.footer("Exit status: 0 simulated, whatever the figures are; 1 it could not be; 2 wrong "
               "arguments.");
    app.failure_message([](const CLI::App *, const CLI::Error &wrong) {
        return fmt::format("bmc-hitratio: {} (see --help)\n", wrong.what());
    });
    try {
        app.parse(argc, argv);
        return run(arguments);
    } catch (const CLI::ParseError &end) {
        return app.exit(end) == 0 ? 0 : exit_usage;
    } catch (const std::exception &error) {
        fmt::print(stderr, "bmc-hitratio: {}\n", error.what());
        return exit_failed;
    }
}
