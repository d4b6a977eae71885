// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include "bmc/abi/layout.h"
#include "bmc/cli/commands.h"

namespace bmc::cli
{

void add_version(CLI::App &app)
{
    app.add_subcommand("version", "Show the version of bmc and of its shared memory")->callback([] {
        fmt::print("bmc {} (layout {})\n", BMC_VERSION, BMC_LAYOUT_VERSION);
    });
}

} // namespace bmc::cli
