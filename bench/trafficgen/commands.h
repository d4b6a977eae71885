// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_COMMANDS_H
#define BENCH_TRAFFICGEN_COMMANDS_H

#include "bench/loadgen/result.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

namespace trafficgen
{

using namespace loadgen;

constexpr int exit_wrong = 1; // a reply was wrong
constexpr int exit_error = 2; // the command could not be done

/// Each adds one subcommand, whose callback does the work and throws a
/// CLI::RuntimeError with the exit code if it fails.
void add_generate(CLI::App &app);
void add_echo(CLI::App &app);
void add_pass(CLI::App &app);
void add_threads(CLI::App &app);
void add_programs(CLI::App &app);

/// Writes a line to stdout at once.
void say(const std::string &line);

/// Writes "bmc-trafficgen: LINE" to stderr.
void complain(const std::string &line);

/// Complains about an error and ends the command with exit_error.
[[noreturn]] void fail(const Error &error);

/// The value of a result, or fail().
template <class T>
T check(Result<T> result)
{
    if (!result)
        fail(result.error());
    return std::move(*result);
}

/// Declares --json on a command.
void add_json_option(CLI::App &command, std::string &path);

/// Writes an object to a file, or to stdout if the path is "-". Fails with one
/// line.
void write_json(const nlohmann::ordered_json &object, const std::string &path);

/// CPUs of a list as "0" or "0,1".
Result<std::vector<int>> parse_cpus(const std::string &text);

} // namespace trafficgen

#endif
