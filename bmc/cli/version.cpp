// SPDX-License-Identifier: BSD-3-Clause
#include <memory>

#include <fmt/format.h>

#include "bmc/abi/layout.h"
#include "bmc/cli/commands.h"

namespace bmc::cli
{

void add_version(CLI::App &app)
{
    const auto json = std::make_shared<bool>(false);
    CLI::App *const command =
        app.add_subcommand("version", "Show the version of bmc and of its shared memory");

    command->footer("Examples:\n"
                    "  bmc version\n"
                    "  bmc version --json");
    command->add_flag("--json", *json, "Print one JSON object");
    command->callback([json] {
        if (*json)
            fmt::print("{{\"version\": \"{}\", \"layout\": {}}}\n", BMC_VERSION,
                       BMC_LAYOUT_VERSION);
        else
            fmt::print("bmc {} (layout {})\n", BMC_VERSION, BMC_LAYOUT_VERSION);
    });
}

} // namespace bmc::cli
