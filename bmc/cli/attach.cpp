// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/cli/attach.h"

#include <memory>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "bmc/cli/commands.h"
#include "bmc/lib/features.h"

namespace bmc::cli
{

namespace
{

using nlohmann::ordered_json;

/// Back to the start of the line, and nothing on it any more (ECMA-48, EL).
constexpr const char *clear_line = "\r\x1b[K";

std::vector<std::string> texts_of(const std::vector<Address> &addresses)
{
    std::vector<std::string> texts;

    for (const Address &address : addresses)
        texts.push_back(address.text());
    return texts;
}

void report_json(const Attached &attached, const AttachOptions &options)
{
    ordered_json interfaces = ordered_json::array();

    for (uint32_t i = 0; i < attached.record.interface_count; i++) {
        const InterfaceRecord &interface = attached.record.interface[i];
        interfaces.push_back({{"name", interface.name},
                              {"mode", mode_name(interface.mode)},
                              {"tc", kind_name(interface.tc)}});
    }
    const ordered_json report = {
        {"instance", options.instance},
        {"folder", attached.folder},
        {"interfaces", std::move(interfaces)},
        {"ports", options.ports},
        {"addresses", texts_of(attached.addresses)},
        {"memory_bytes", attached.split.bytes()},
        {"kept", attached.kept ? ordered_json(*attached.kept) : ordered_json()},
        {"notes", attached.notes},
    };
    /* Names of interfaces need not be UTF-8. */
    say(report.dump(4, ' ', false, ordered_json::error_handler_t::replace));
}

void report(const Attached &attached, const AttachOptions &options)
{
    for (const std::string &note : attached.notes)
        say(note);
    say(fmt::format("{} '{}': {} of memory, UDP port {} on {}",
                    attached.kept ? "upgraded" : "attached", options.instance,
                    format_size(options.memory), fmt::join(options.ports, ", "),
                    fmt::join(texts_of(attached.addresses), ", ")));
    if (attached.kept)
        say(fmt::format("  {} entries of the cache were kept", *attached.kept));
    for (uint32_t i = 0; i < attached.record.interface_count; i++) {
        const InterfaceRecord &interface = attached.record.interface[i];
        say(fmt::format("  {}: {}, attached to TC by {}", interface.name, mode_text(interface.mode),
                        kind_name(interface.tc)));
    }
    if (attached.origin)
        say(fmt::format("{} goes on", attached.origin->text()));
    else
        say(fmt::format("start the origin with: memcached-sr -U {} -o bmc={}",
                        options.ports.front(), attached.folder));
}

} // namespace

Settings choose(const SettingOptions &options, Report form)
{
    ChosenSettings chosen = check(options.choose());

    if (chosen.by_name && form == Report::lines)
        say(fmt::format("options from {}", chosen.file));
    return std::move(chosen.settings);
}

Attached attach_and_report(const Settings &settings, const EndSignals &signals, bool hold,
                           Report form)
{
    const bool on_terminal = !settings.verbose && isatty(STDERR_FILENO) == 1;
    AttachOptions options = settings.attach;

    options.hold = hold;
    options.progress = [&](std::string_view step) {
        if (settings.verbose)
            fmt::print(stderr, "bmc: {}\n", step);
        else if (on_terminal)
            fmt::print(stderr, "{}bmc: {}", clear_line, step);
        return !signals.seen();
    };
    auto made = attach(options, Features());
    if (on_terminal)
        fmt::print(stderr, "{}", clear_line);
    Attached attached = check(std::move(made), settings.verbose);
    if (form == Report::json)
        report_json(attached, options);
    else
        report(attached, options);
    return attached;
}

void add_attach(CLI::App &app)
{
    const auto json = std::make_shared<bool>(false);
    CLI::App *const command =
        app.add_subcommand("attach", "Load the cache and attach it to interfaces");
    const auto options = std::make_shared<SettingOptions>(*command, SettingScope::attach);

    command->footer("Examples:\n"
                    "  bmc attach --interface eth0\n"
                    "  bmc attach --interface eth0 eth1 --port 11211 --memory 8G --instance web\n"
                    "  bmc attach --interface eth0 --allow 10.0.0.0/8 fd00::/8 --budget 10M\n"
                    "  bmc attach --interface veth0 --address 10.77.0.1 fd77::1 --mode tc\n"
                    "  bmc attach --interface eth0 --group operators\n"
                    "  bmc attach --config web.toml");
    command->add_flag("--json", *json, "Print one JSON object of what was attached");
    command->callback([options, json] {
        const Report form = *json ? Report::json : Report::lines;
        const Settings settings = choose(*options, form);
        const EndSignals signals;
        attach_and_report(settings, signals, false, form);
    });
}

} // namespace bmc::cli
