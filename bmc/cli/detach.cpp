// SPDX-License-Identifier: BSD-3-Clause
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bmc/cli/commands.h"
#include "bmc/cli/detach.h"
#include "bmc/cli/end_signals.h"
#include "bmc/lib/attach.h"
#include "bmc/lib/features.h"

namespace bmc::cli
{

namespace
{

struct Arguments {
    std::string instance = default_instance;
    bool json = false;
};

void report_json(const Detached &detached, const std::string &instance)
{
    nlohmann::ordered_json origin;

    if (detached.origin)
        origin = {{"pid", detached.origin->pid},
                  {"seen", static_cast<bool>(detached.origin->process)}};
    const nlohmann::ordered_json report = {
        {"instance", instance},
        {"origin", std::move(origin)},
        {"notes", detached.notes},
    };
    say(report.dump(4));
}

void run(const Arguments &arguments)
{
    const EndSignals finish_first;
    const Detached detached = check(detach(arguments.instance, Features()));

    if (arguments.json)
        report_json(detached, arguments.instance);
    else
        report(detached, arguments.instance);
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
    const auto arguments = std::make_shared<Arguments>();
    CLI::App *const command =
        app.add_subcommand("detach", "Remove everything that attach made, and nothing else");

    command->footer("Examples:\n"
                    "  bmc detach\n"
                    "  bmc detach --instance web --json");
    command->add_option("--instance", arguments->instance, "Name of the instance")
        ->type_name("NAME")
        ->capture_default_str();
    command->add_flag("--json", arguments->json,
                      "Print one JSON object: the origin that goes on, what was removed besides");
    command->callback([arguments] { run(*arguments); });
}

} // namespace bmc::cli
