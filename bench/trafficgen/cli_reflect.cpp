// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/commands.h"
#include "bench/trafficgen/end_signals.h"
#include "bench/trafficgen/reflect.h"

#include "bmc/lib/interface.h"
#include "bmc/lib/xdp.h"

#include <cerrno>
#include <fmt/format.h>
#include <memory>

namespace trafficgen
{

namespace
{

struct Arguments {
    std::string interface;
    uint16_t port = 11211;
};

/// Attaches the program until a signal comes. The link goes with the process,
/// however that ends.
void hold(const Arguments &arguments, const Reflect &reflect, const char *name)
{
    EndSignals signals;
    const auto interface = check(bmc::find_interface(arguments.interface));
    auto attached = bmc::attach_xdp(reflect.program(), interface, bmc::ModeChoice::native);

    if (!attached && attached.error().code == EOPNOTSUPP)
        attached = bmc::attach_xdp(reflect.program(), interface, bmc::ModeChoice::generic);
    const auto link = check(std::move(attached));
    say(fmt::format("{} attached to {} ({} mode)", name, interface.name,
                    bmc::mode_name(link.mode)));
    signals.wait();
}

CLI::App &add_command(CLI::App &app, Arguments &arguments, const char *name, const char *what)
{
    CLI::App *const command = app.add_subcommand(name, what);

    command->footer(
        "Prints one line when it is attached. Ends, and detaches, on SIGTERM, SIGINT or "
        "SIGHUP.");
    command
        ->add_option("-i,--interface", arguments.interface,
                     "The server's end, of this network namespace")
        ->required();
    return *command;
}

} // namespace

void add_echo(CLI::App &app)
{
    const auto arguments = std::make_shared<Arguments>();
    CLI::App &command =
        add_command(app, *arguments, "echo",
                    "Send UDP datagrams back by XDP, unread: the most that a server can do");

    command.add_option("-p,--port", arguments->port, "UDP port")->check(CLI::Range(1, 65535));
    command.callback(
        [arguments] { hold(*arguments, check(Reflect::load_echo(arguments->port)), "echo"); });
}

void add_pass(CLI::App &app)
{
    const auto arguments = std::make_shared<Arguments>();
    CLI::App &command =
        add_command(app, *arguments, "pass", "Attach an XDP program that passes every packet");

    command.callback([arguments] { hold(*arguments, check(Reflect::load_pass()), "pass"); });
}

} // namespace trafficgen
