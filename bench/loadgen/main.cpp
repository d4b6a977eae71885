// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/load.h"
#include "bench/loadgen/options.h"
#include "bench/loadgen/report.h"

#include <CLI/CLI.hpp>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <sys/prctl.h>
#include <unistd.h>

namespace
{

using namespace loadgen;

constexpr int exit_wrong = 1; // a reply was wrong
constexpr int exit_error = 2; // the load could not be run

std::atomic<std::atomic<bool> *> stop_flag = nullptr;

// The first signal ends the run early, with a report; the second ends it.
void on_signal(int signal)
{
    if (std::atomic<bool> *stop = stop_flag.load())
        *stop = true;
    std::signal(signal, SIG_DFL);
}

int fail(const Error &reason)
{
    fmt::print(stderr, "bmc-loadgen: {}\n", reason.line());
    return exit_error;
}

Result<Content> make_content(const Options &options)
{
    auto sizes = SizeDistribution::parse(options.value_size);
    if (!sizes)
        return sizes.error();
    if (sizes->max() > max_value_size)
        return error("use", "value size " + options.value_size,
                     fmt::format("values of {} bytes are the largest", max_value_size));
    return Content::make(options.keys, options.key_size, std::move(*sizes));
}

Status write_report(const Options &options, const Tally &tally)
{
    if (options.json.empty()) {
        fmt::print("{}", report_table(options, tally));
        return Done{};
    }
    const std::string text = report_json(options, tally).dump(4) + "\n";
    if (options.json == "-") {
        fmt::print("{}", text);
        return Done{};
    }
    std::ofstream file(options.json);
    file << text << std::flush;
    if (!file)
        return system_error("write the report to", options.json, errno);
    return Done{};
}

int run(const Options &options)
{
    auto content = make_content(options);
    if (!content)
        return fail(content.error());
    auto tcp = resolve(options.server, options.port);
    if (!tcp)
        return fail(tcp.error());
    auto udp = resolve(options.server, options.udp_port != 0 ? options.udp_port : options.port);
    if (!udp)
        return fail(udp.error());

    Run load{options, *content, *tcp, *udp, VersionTable(options.keys)};
    stop_flag = &load.stop;
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    // Sleeps end on time, not within the usual 50 us.
    prctl(PR_SET_TIMERSLACK, 1);

    if (!options.stored)
        if (auto stored = store_keys(load); !stored)
            return fail(stored.error());
    if (auto answered = probe_udp(load); !answered)
        return fail(answered.error());
    auto tally = run_load(load, !options.quiet && isatty(STDERR_FILENO) == 1);
    stop_flag = nullptr;
    if (!tally)
        return fail(tally.error());

    fmt::print(stderr, "{}", describe_wrong(*tally));
    if (auto written = write_report(options, *tally); !written)
        return fail(written.error());
    return tally->wrong > 0 ? exit_wrong : 0;
}

} // namespace

int main(int argc, char **argv)
{
    Options options;
    CLI::App app(
        "Stores keys in memcached over TCP, gets them over UDP, and verifies every byte of "
        "every reply.",
        "bmc-loadgen");

    declare_options(app, options);
    app.footer(
        "Exit status: 0 all replies right, 1 a reply was wrong, 2 the load could not be run.");
    app.failure_message([](const CLI::App *, const CLI::Error &wrong) {
        return fmt::format("bmc-loadgen: {} (see --help)\n", wrong.what());
    });
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &end) {
        return app.exit(end) == 0 ? 0 : exit_error;
    }
    try {
        return run(options);
    } catch (const std::bad_alloc &) {
        return fail(error("remember", fmt::format("{} keys", options.keys),
                          "not enough memory; use fewer --keys"));
    }
}
