// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/cli/attach.h"

#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/cli/commands.h"
#include "bmc/lib/features.h"

namespace bmc::cli
{

namespace
{

void report(const Attached &attached, const AttachOptions &options)
{
    std::vector<std::string> addresses;

    for (const std::string &note : attached.notes)
        say(note);
    for (const Address &address : attached.addresses)
        addresses.push_back(address.text());
    say(fmt::format("attached '{}': {} of memory, UDP port {} on {}", options.instance,
                    format_size(options.memory), fmt::join(options.ports, ", "),
                    fmt::join(addresses, ", ")));
    for (uint32_t i = 0; i < attached.record.interface_count; i++) {
        const InterfaceRecord &interface = attached.record.interface[i];
        say(fmt::format("  {}: {}, attached to TC by {}", interface.name, mode_text(interface.mode),
                        kind_name(interface.tc)));
    }
    if (options.origin == OriginKind::sr)
        say(fmt::format("start the origin with: memcached-sr -U {} -o bmc={}",
                        options.ports.front(), attached.folder));
}

} // namespace

Settings choose(const SettingOptions &options)
{
    ChosenSettings chosen = check(options.choose());

    if (chosen.by_name)
        say(fmt::format("options from {}", chosen.file));
    return std::move(chosen.settings);
}

Attached attach_and_report(const Settings &settings, const EndSignals &signals)
{
    AttachOptions options = settings.attach;

    options.progress = [&](std::string_view step) {
        if (settings.verbose)
            fmt::print(stderr, "bmc: {}\n", step);
        return !signals.seen();
    };
    Attached attached = check(attach(options, Features()), settings.verbose);
    report(attached, options);
    return attached;
}

void add_attach(CLI::App &app)
{
    CLI::App *const command =
        app.add_subcommand("attach", "Load the cache and attach it to interfaces");
    const auto options = std::make_shared<SettingOptions>(*command, SettingScope::attach);

    command->footer("Examples:\n"
                    "  bmc attach --interface eth0\n"
                    "  bmc attach --interface eth0 eth1 --port 11211 --memory 8G --instance web\n"
                    "  bmc attach --interface veth0 --address 10.77.0.1 fd77::1 --mode tc\n"
                    "  bmc attach --config web.toml");
    command->callback([options] {
        const Settings settings = choose(*options);
        if (settings.attach.origin == OriginKind::stock)
            fail(Error{"attach", "with --origin stock", 0,
                       "it takes `bmc run`, which watches memcached", {}});
        const EndSignals signals;
        attach_and_report(settings, signals);
    });
}

} // namespace bmc::cli
