// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/experiment.h"
#include "bench/runner/interrupt.h"
#include "bench/runner/report.h"

#include "bmc/lib/parse.h"
#include "tests/harness/error.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <sched.h>
#include <unistd.h>

namespace
{

using namespace runner;
using bmc::test::Error;
using Json = nlohmann::ordered_json;

constexpr int exit_failed = 1; // it could not be measured
constexpr int exit_usage = 2;

struct Arguments {
    bool quick = false;
    bool full = false;
    bool list = false;
    std::vector<std::string> only;
    std::string json;
    std::string plots;
    std::string from;
    Settings settings;
};

void declare(CLI::App &app, Arguments &arguments)
{
    Settings &settings = arguments.settings;
    auto *what = app.add_option_group("What to measure");
    auto *quick = what->add_flag("--quick", arguments.quick,
                                 "The ratios that matter most, in some minutes (the default)");
    auto *full = what->add_flag("--full", arguments.full, "Everything");
    auto *only = what->add_option("--only", arguments.only, "These experiments only; see --list");
    what->add_flag("--list", arguments.list, "Name the experiments, and end");
    quick->excludes(full)->excludes(only);
    full->excludes(only);

    auto *how = app.add_option_group("How");
    how->add_option("--rounds", settings.rounds,
                    "Rounds of every experiment, instead of its own number; ratios need 6")
        ->check(CLI::Range(1, 1000));
    how->add_option("--turn-seconds", settings.turn_seconds,
                    "Length of a turn of one system, instead of the experiment's own")
        ->check(CLI::Range(0.01, 3600.0));
    how->add_option("--warm-up-seconds", settings.warm_up_seconds,
                    "Load before caches are measured that do not hold all keys")
        ->check(CLI::Range(0.01, 3600.0))
        ->capture_default_str();
    how->add_option("--keys", settings.keys, "No workload has more keys than this")
        ->check(CLI::Range(100, 100'000'000));
    how->add_option("--memory", settings.memory,
                    "Memory of bmc where all keys are to fit, instead of what the workload needs");
    how->add_option("--server-cpu", settings.cpus.server, "The server's CPU")
        ->check(CLI::Range(0, 1023))
        ->capture_default_str();
    how->add_option("--client-cpu", settings.cpus.client, "The client's CPU")
        ->check(CLI::Range(0, 1023))
        ->capture_default_str();

    auto *report = app.add_option_group("Report");
    report->add_option("--json", arguments.json, "Write all figures as a JSON object to a file");
    report->add_option("--plots", arguments.plots, "Draw plots as SVG files into this folder");
    report->add_option("--from", arguments.from,
                       "Measure nothing; table and plots from this earlier JSON file");
}

/// Fails with one line before anything is made, not after minutes.
void check_arguments(const Arguments &arguments)
{
    const Settings &settings = arguments.settings;

    if (settings.cpus.server == settings.cpus.client)
        throw CLI::ValidationError("server and client need a CPU each");
    cpu_set_t usable;
    if (::sched_getaffinity(0, sizeof usable, &usable) != 0)
        throw bmc::test::system_error("sched_getaffinity");
    for (const int cpu : {settings.cpus.server, settings.cpus.client})
        if (!CPU_ISSET(static_cast<size_t>(cpu), &usable))
            throw CLI::ValidationError(fmt::format("cannot run on CPU {}", cpu));
    if (settings.memory)
        if (const auto bytes = bmc::parse_size(*settings.memory); !bytes)
            throw CLI::ValidationError(bytes.error().line());
    if (!arguments.json.empty() && !std::ofstream(arguments.json, std::ios::app))
        throw CLI::ValidationError("cannot write " + arguments.json);
    if (::geteuid() != 0 && arguments.from.empty())
        throw Error("it must run as root: it makes network namespaces and loads BPF programs");
}

std::vector<Experiment> chosen(const Arguments &arguments)
{
    std::vector<Experiment> list;

    for (const std::string &name : arguments.only)
        if (std::none_of(experiments().begin(), experiments().end(),
                         [&name](const Experiment &e) { return e.name == name; }))
            throw CLI::ValidationError(fmt::format("there is no experiment {}; see --list", name));
    std::copy_if(experiments().begin(), experiments().end(), std::back_inserter(list),
                 [&arguments](const Experiment &experiment) {
                     const auto &only = arguments.only;
                     if (!only.empty())
                         return std::find(only.begin(), only.end(), experiment.name) != only.end();
                     return arguments.full || experiment.quick;
                 });
    return list;
}

void write_json(const Json &report, const std::string &path)
{
    if (path.empty())
        return;
    std::ofstream file(path);
    file << report.dump(4) << '\n' << std::flush;
    if (!file)
        throw Error("cannot write " + path);
}

Json config_json(const Arguments &arguments)
{
    const Settings &settings = arguments.settings;
    const auto or_null = [](const auto &option) { return option ? Json(*option) : Json(); };

    return {{"full", arguments.full},
            {"only", arguments.only},
            {"rounds", or_null(settings.rounds)},
            {"turn_seconds", or_null(settings.turn_seconds)},
            {"warm_up_seconds", settings.warm_up_seconds},
            {"keys", or_null(settings.keys)},
            {"memory", or_null(settings.memory)},
            {"server_cpu", settings.cpus.server},
            {"client_cpu", settings.cpus.client},
            {"widest_interval", widest_interval}};
}

/// What is measured so far is written after every experiment: an interrupted run keeps it.
Json measure(const Arguments &arguments, const std::vector<Experiment> &list)
{
    double seconds = 0;
    for (const Experiment &experiment : list)
        seconds += experiment.seconds;

    Json report = {{"machine", machine_json()},
                   {"config", config_json(arguments)},
                   {"complete", false},
                   {"ratios", Json::object()},
                   {"experiments", Json::object()}};
    Progress progress(seconds);
    Context context(arguments.settings, progress);
    for (const Experiment &experiment : list) {
        check_interrupt();
        progress.begin(experiment.name, experiment.seconds);
        const auto begin = std::chrono::steady_clock::now();
        Outcome outcome = experiment.run(context);
        for (const Ratio &ratio : outcome.ratios)
            report["ratios"][ratio.name] = to_json(ratio);
        outcome.details["took_s"] =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        report["experiments"][experiment.name] = std::move(outcome.details);
        write_json(report, arguments.json);
    }
    report["complete"] = true;
    write_json(report, arguments.json);
    return report;
}

int run(const Arguments &arguments)
{
    if (arguments.list) {
        for (const Experiment &experiment : experiments())
            fmt::print("{:<16}{}{}\n", experiment.name, experiment.what,
                       experiment.quick ? " (--quick)" : "");
        return 0;
    }
    check_arguments(arguments);
    const std::vector<Experiment> list = chosen(arguments);

    note_signals();
    Json report;
    if (arguments.from.empty()) {
        // The server's CPU is for what is measured.
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(static_cast<size_t>(arguments.settings.cpus.client), &cpus);
        if (::sched_setaffinity(0, sizeof cpus, &cpus) != 0)
            throw bmc::test::system_error("sched_setaffinity");
        report = measure(arguments, list);
    } else {
        std::ifstream file(arguments.from);
        report = Json::parse(file, nullptr, false);
        if (report.is_discarded() || !report.contains("ratios"))
            throw Error(arguments.from + " is no report of bmc-bench");
    }
    fmt::print("{}\n{}", describe_machine(report.at("machine")), ratio_table(report.at("ratios")));
    if (!arguments.plots.empty())
        draw_plots(report, arguments.plots);
    return 0;
}

/// One line, whatever the programs said that it runs.
int fail(std::string reason, int status)
{
    reason.erase(reason.find_last_not_of('\n') + 1);
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    fmt::print(stderr, "bmc-bench: {}\n", reason);
    return status;
}

} // namespace

int main(int argc, char **argv)
{
    Arguments arguments;
    CLI::App app("Measures bmc against stock memcached, memcached-sr and an XDP echo, side by "
                 "side on this machine, in network namespaces of its own.",
                 "bmc-bench");

    declare(app, arguments);
    app.footer("Exit status: 0 measured, whatever the figures are; 1 it could not be; 2 wrong "
               "arguments.");
    app.failure_message([](const CLI::App *, const CLI::Error &wrong) {
        return fmt::format("bmc-bench: {} (see --help)\n", wrong.what());
    });
    try {
        app.parse(argc, argv);
        return run(arguments);
    } catch (const CLI::ParseError &end) {
        return app.exit(end) == 0 ? 0 : exit_usage;
    } catch (const Interrupted &end) {
        return fail("interrupted", 128 + end.signal);
    } catch (const std::exception &error) {
        // Programs that it runs end by a terminal's signal too.
        if (signal_noted() != 0)
            return fail("interrupted", 128 + signal_noted());
        return fail(error.what(), exit_failed);
    }
}
