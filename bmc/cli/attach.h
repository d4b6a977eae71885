// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_ATTACH_H
#define BMC_CLI_ATTACH_H

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "bmc/cli/end_signals.h"
#include "bmc/lib/attach.h"

/* What the commands have in common that attach. */
namespace bmc::cli
{

/// The command line as typed.
struct AttachArguments {
    std::vector<std::string> interfaces;
    std::vector<std::string> ports = {std::to_string(default_port)};
    std::vector<std::string> addresses;
    std::string memory = format_size(default_memory);
    std::string instance = default_instance;
    std::string mode = "auto";
    std::string tc = "auto";
    bool verbose = false;
};

/// Adds the options to a command. `arguments` must live until it was parsed.
void add_attach_options(CLI::App &command, AttachArguments &arguments);

/// Attaches and says what was attached; fails as check() does. One of the signals
/// ends it, with everything undone.
Attached attach_and_report(const AttachArguments &arguments, const EndSignals &signals);

} // namespace bmc::cli

#endif
