// SPDX-License-Identifier: BSD-3-Clause
#include <chrono>
#include <memory>
#include <optional>

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

    report(check(detach(instance, Features(), BMC_PIN_ROOT, std::nullopt,
                        wait_and_say([&] { return !finish_first.seen(); }))),
           instance);
}

} // namespace

Waiting wait_and_say(std::function<bool()> patient)
{
    const auto start = std::chrono::steady_clock::now();

    return [start, said = false, patient = std::move(patient)](size_t connections) mutable {
        if (!said && std::chrono::steady_clock::now() > start + std::chrono::seconds(1)) {
            say(fmt::format("waiting until memcached has read what has come over {} connection{}",
                            connections, connections == 1 ? "" : "s"));
            said = true;
        }
        return patient();
    };
}

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
