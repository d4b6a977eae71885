// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include "bmc/cli/commands.h"

namespace bmc::cli
{

namespace
{

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;

constexpr const char *examples = R"(Examples:
  bmc check --interface eth0                  can this host do it, and what is missing?
  bmc attach --interface eth0                 serve port 11211 on all addresses of eth0
  bmc attach --interface eth0 eth1 --port 11211 11212 --memory 8G
  memcached-sr -U 11211 -o bmc=/sys/fs/bpf/bmc/default
  bmc status                                  where it is attached, and its origin
  bmc stats                                   what the kernel answered, and why not the rest
  bmc top                                     the same, live
  bmc detach                                  remove everything that attach made
  bmc run --interface eth0                    attach, watch the origin, detach at the end)";

/// What is wrong, in one line.
std::string describe(const CLI::App &app, const CLI::ParseError &error)
{
    /* CLI11 would say that a command is missing. */
    if (const auto rest = app.remaining(); app.get_subcommands().empty() && !rest.empty())
        return fmt::format("there is no {} '{}'", rest.front()[0] == '-' ? "option" : "command",
                           rest.front());

    std::string line = error.what();
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
}

int run(int argc, char **argv)
{
    CLI::App app{"memcached GETs over UDP, answered in the kernel", "bmc"};

    app.require_subcommand(1);
    app.footer(examples);
    add_attach(app);
    add_check(app);
    add_detach(app);
    add_run(app);
    add_status(app);
    add_stats(app);
    add_top(app);
    add_dump(app);
    add_flush(app);
    add_version(app);

    try {
        app.parse(argc, argv);
    } catch (const CLI::RuntimeError &error) {
        return error.get_exit_code(); /* already explained */
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success))
            return app.exit(error); /* --help */
        complain(describe(app, error) + "; see `bmc --help` or `bmc COMMAND --help`");
        return exit_usage;
    }
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        complain("cannot write all of the report to the standard output");
        return exit_failure;
    }
    return 0;
}

} // namespace

void say(const std::string &line)
{
    std::fputs((line + "\n").c_str(), stdout);
    std::fflush(stdout);
}

void complain(const std::string &line)
{
    fmt::print(stderr, "bmc: {}\n", line);
}

void fail(const Error &error, bool verbose)
{
    if (verbose && !error.detail.empty())
        fmt::print(stderr, "{}\n", error.detail);
    complain(error.line());
    end_with_failure();
}

void end_with_failure()
{
    throw CLI::RuntimeError(exit_failure);
}

} // namespace bmc::cli

int main(int argc, char **argv)
{
    try {
        return bmc::cli::run(argc, argv);
    } catch (const std::exception &error) {
        bmc::cli::complain(error.what());
        return bmc::cli::exit_failure;
    }
}
