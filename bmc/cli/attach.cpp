// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/cli/attach.h"

#include <algorithm>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/cli/commands.h"
#include "bmc/lib/features.h"
#include "bmc/lib/parse.h"

namespace bmc::cli
{

namespace
{

const std::map<std::string, ModeChoice> modes = {{"auto", ModeChoice::automatic},
                                                 {"native", ModeChoice::native},
                                                 {"generic", ModeChoice::generic},
                                                 {"tc", ModeChoice::tc}};
const std::map<std::string, TcChoice> tc_kinds = {
    {"auto", TcChoice::automatic}, {"tcx", TcChoice::tcx}, {"clsact", TcChoice::clsact}};

template <class T>
void add_once(std::vector<T> &to, const T &value)
{
    if (std::find(to.begin(), to.end(), value) == to.end())
        to.push_back(value);
}

AttachOptions to_options(const AttachArguments &arguments)
{
    AttachOptions options;

    options.instance = arguments.instance;
    options.interfaces = arguments.interfaces;
    options.ports.clear();
    for (const std::string &port : arguments.ports)
        add_once(options.ports, check(parse_port(port)));
    for (const std::string &address : arguments.addresses)
        add_once(options.addresses, check(parse_address(address)));
    options.memory = check(parse_size(arguments.memory));
    options.mode = modes.at(arguments.mode);
    options.tc = tc_kinds.at(arguments.tc);
    return options;
}

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
    say(fmt::format("start the origin with: memcached-sr -U {} -o bmc={}", options.ports.front(),
                    attached.folder));
}

} // namespace

Attached attach_and_report(const AttachArguments &arguments, const EndSignals &signals)
{
    AttachOptions options = to_options(arguments);

    options.progress = [&](std::string_view step) {
        if (arguments.verbose)
            fmt::print(stderr, "bmc: {}\n", step);
        return !signals.seen();
    };
    Attached attached = check(attach(options, Features()), arguments.verbose);
    report(attached, options);
    return attached;
}

void add_attach_options(CLI::App &command, AttachArguments &arguments)
{
    command.add_option("--interface", arguments.interfaces, "Interfaces that requests come by")
        ->required()
        ->type_name("IF");
    command.add_option("--port", arguments.ports, "UDP ports of the origin")
        ->type_name("P")
        ->capture_default_str();
    command
        .add_option("--address", arguments.addresses,
                    "Addresses of the origin; all that the interfaces have if none is given")
        ->type_name("A");
    command
        .add_option("--memory", arguments.memory, "Memory of the cache in bytes, or with K, M or G")
        ->type_name("SIZE")
        ->capture_default_str();
    command.add_option("--instance", arguments.instance, "Name of this instance")
        ->type_name("NAME")
        ->capture_default_str();
    command
        .add_option("--mode", arguments.mode,
                    "Where requests are answered first: XDP in the driver (native), XDP in the "
                    "stack (generic), TC ingress without XDP (tc), or native where the drivers "
                    "can and tc otherwise (auto)")
        ->check(CLI::IsMember(modes))
        ->type_name("MODE")
        ->capture_default_str();
    command
        .add_option(
            "--tc", arguments.tc,
            "How to attach to TC: TCX links, clsact filters (before Linux 6.6), or whichever the "
            "kernel has (auto)")
        ->check(CLI::IsMember(tc_kinds))
        ->type_name("KIND")
        ->capture_default_str();
    command.add_flag("--verbose", arguments.verbose,
                     "Say each step, and show the kernel's log if it refuses the programs");
}

void add_attach(CLI::App &app)
{
    const auto arguments = std::make_shared<AttachArguments>();
    CLI::App *const command =
        app.add_subcommand("attach", "Load the cache and attach it to interfaces");

    command->footer("Examples:\n"
                    "  bmc attach --interface eth0\n"
                    "  bmc attach --interface eth0 eth1 --port 11211 --memory 8G --instance web\n"
                    "  bmc attach --interface veth0 --address 10.77.0.1 fd77::1 --mode tc");
    add_attach_options(*command, *arguments);
    command->callback([arguments] {
        const EndSignals signals;
        attach_and_report(*arguments, signals);
    });
}

} // namespace bmc::cli
