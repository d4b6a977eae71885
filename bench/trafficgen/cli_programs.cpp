// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/commands.h"
#include "bench/trafficgen/end_signals.h"
#include "bench/trafficgen/program_times.h"

#include "bmc/lib/attach.h"
#include "bmc/lib/instance.h"

#include <chrono>
#include <fmt/format.h>
#include <memory>

namespace trafficgen
{

namespace
{

struct Arguments {
    std::string instance = bmc::default_instance;
    double seconds = 2;
    std::string json;
};

double ns_per_run(const ProgramTime &program)
{
    return program.runs > 0
               ? static_cast<double>(program.time_ns) / static_cast<double>(program.runs)
               : 0;
}

void print_table(const std::vector<ProgramTime> &programs)
{
    fmt::print("{:<16}{:>14}{:>12}{:>14}{:>12}\n", "program", "runs", "ns per run", "instructions",
               "of machine");
    fmt::print("{:<16}{:>14}{:>12}{:>14}{:>12}\n", "", "", "", "verified", "code, bytes");
    for (const ProgramTime &program : programs)
        fmt::print("{:<16}{:>14}{:>12}{:>14}{:>12}\n", program.name, program.runs,
                   program.runs > 0 ? fmt::format("{:.1f}", ns_per_run(program)) : "-",
                   program.verified_instructions, program.machine_bytes);
}

nlohmann::ordered_json to_json(const Arguments &arguments, double seconds,
                               const std::vector<ProgramTime> &programs)
{
    nlohmann::ordered_json list = nlohmann::ordered_json::array();

    for (const ProgramTime &program : programs) {
        nlohmann::ordered_json ns;
        if (program.runs > 0)
            ns = ns_per_run(program);
        list.push_back({{"name", program.name},
                        {"run_cnt", program.runs},
                        {"run_time_ns", program.time_ns},
                        {"ns_per_run", ns},
                        {"verified_instructions", program.verified_instructions},
                        {"translated_bytes", program.translated_bytes},
                        {"machine_bytes", program.machine_bytes}});
    }
    return {{"instance", arguments.instance}, {"seconds", seconds}, {"programs", list}};
}

void run(const Arguments &arguments)
{
    using Clock = std::chrono::steady_clock;
    using Seconds = std::chrono::duration<double>;
    const std::string folder = bmc::instance_folder(BMC_PIN_ROOT, arguments.instance);
    EndSignals signals;

    check(bmc::check_instance_name(arguments.instance));
    if (!bmc::is_instance(folder))
        fail(bmc::no_such_instance("examine", arguments.instance, BMC_PIN_ROOT));
    const auto statistics = check(RunStatistics::enable());
    const auto start = Clock::now();
    const std::string set = bmc::programs_folder(folder);
    const auto before = check(read_programs(set));
    signals.wait(std::chrono::duration_cast<std::chrono::nanoseconds>(Seconds(arguments.seconds)));
    const auto programs = difference(before, check(read_programs(set)));
    const double seconds = Seconds(Clock::now() - start).count();

    if (arguments.json.empty())
        print_table(programs);
    else
        write_json(to_json(arguments, seconds, programs), arguments.json);
}

} // namespace

void add_programs(CLI::App &app)
{
    const auto arguments = std::make_shared<Arguments>();
    CLI::App *const command = app.add_subcommand(
        "programs",
        "Show how long each BPF program of an instance of bmc takes under the load that runs");

    command->footer(
        "Stages reached by tail calls are counted by the kernel as part of their entry, which\n"
        "is rx_filter for hits: they show no runs. The counting itself takes some 20 ns a run.");
    command->add_option("--instance", arguments->instance, "Name of the instance")
        ->type_name("NAME");
    command->add_option("-t,--seconds", arguments->seconds, "How long to count")
        ->check(CLI::Range(0.01, 1e6));
    add_json_option(*command, arguments->json);
    command->callback([arguments] { run(*arguments); });
}

} // namespace trafficgen
