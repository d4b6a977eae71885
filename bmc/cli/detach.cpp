// SPDX-License-Identifier: BSD-3-Clause
#include <memory>

#include <fmt/format.h>

#include "bmc/cli/commands.h"
#include "bmc/cli/detach.h"
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

    report(check(detach(instance, Features())), instance);
}

} // namespace

void report(const Detached &detached, const std::string &instance)
{
    for (const std::string &note : detached.notes)
        say(note);
    say(fmt::format("detached '{}'", instance));
    if (detached.origin)
        say(fmt::format("{} goes on without the cache; after the next attach, restart it",
                        detached.origin->text()));
}

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
