// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_COMMANDS_H
#define BMC_CLI_COMMANDS_H

#include <string>

#include <CLI/CLI.hpp>

#include "bmc/lib/result.h"

namespace bmc::cli
{

/// Each adds one subcommand, whose callback does the work and throws a
/// CLI::RuntimeError with the exit code if it fails.
void add_attach(CLI::App &app);
void add_check(CLI::App &app);
void add_detach(CLI::App &app);
void add_dump(CLI::App &app);
void add_flush(CLI::App &app);
void add_run(CLI::App &app);
void add_stats(CLI::App &app);
void add_status(CLI::App &app);
void add_top(CLI::App &app);
void add_version(CLI::App &app);

/// Writes a line to stdout at once. If that fails, main() says so at the end: it
/// must not keep a command from its work.
void say(const std::string &line);

/// Writes "bmc: LINE" to stderr.
void complain(const std::string &line);

/// Complains about an error, with its detail if `verbose`, and ends the command
/// with exit code 1.
[[noreturn]] void fail(const Error &error, bool verbose = false);

/// Ends the command with exit code 1; what is wrong was said.
[[noreturn]] void end_with_failure();

/// The value of a result, or fail().
template <class T>
T check(Result<T> result, bool verbose = false)
{
    if (!result)
        fail(result.error(), verbose);
    return std::move(*result);
}

} // namespace bmc::cli

#endif
