// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/detach.h"

#include <memory>

#include <fmt/format.h>

#include "bmc/cli/commands.h"
#include "bmc/cli/end_signals.h"
#include "bmc/lib/attach.h"
#include "bmc/lib/features.h"

namespace bmc::cli
{

namespace
{

void run(const std::string &instance)
{
    const EndSignals finish_first;
    const Detached detached = check(detach(instance, Features()));

    for (const std::string &note : detached.notes)
        fmt::print("{}\n", note);
    fmt::print("detached '{}'\n", instance);
    if (detached.origin_was_alive)
        fmt::print(
            "its memcached-sr goes on without the cache; after the next attach, restart it\n");
}

} // namespace

void add_detach(CLI::App &app)
{
    const auto instance = std::make_shared<std::string>(default_instance);
    CLI::App *const command =
        app.add_subcommand("detach", "Remove everything that attach made, and nothing else");

    command->footer("Examples:\n"
                    "  bmc detach\n"
                    "  bmc detach --instance web");
    command->add_option("--instance", *instance, "Name of the instance")
        ->type_name("NAME")
        ->capture_default_str();
    command->callback([instance] { run(*instance); });
}

} // namespace bmc::cli
