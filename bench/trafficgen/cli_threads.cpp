// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/commands.h"
#include "bench/trafficgen/napi.h"

#include <fmt/format.h>
#include <memory>

namespace trafficgen
{

namespace
{

struct Arguments {
    std::string interface;
    std::string cpus;
    std::string json;
    bool realtime = false;
    bool off = false;
};

void run(const Arguments &arguments)
{
    const auto cpus =
        arguments.cpus.empty() ? std::vector<int>{} : check(parse_cpus(arguments.cpus));
    const auto interface = check(bmc::find_interface(arguments.interface));

    check(set_threaded(interface, !arguments.off));
    if (arguments.off)
        return;
    const auto threads = check(napi_threads(interface));
    if (threads.empty())
        fail(error("find", "NAPI threads of " + interface.name,
                   "it has none before an XDP program is attached or GRO is on"));
    for (size_t i = 0; i < threads.size(); i++) {
        if (!cpus.empty())
            check(pin(threads[i], cpus[i % cpus.size()]));
        if (arguments.realtime)
            check(set_realtime(threads[i]));
    }

    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const NapiThread &thread : threads)
        list.push_back({{"pid", thread.pid}, {"name", thread.name}});
    if (!arguments.json.empty()) {
        write_json({{"interface", interface.name}, {"threads", list}}, arguments.json);
        return;
    }
    for (const NapiThread &thread : threads)
        say(fmt::format("{} {}", thread.pid, thread.name));
}

} // namespace

void add_threads(CLI::App &app)
{
    const auto arguments = std::make_shared<Arguments>();
    CLI::App *const command = app.add_subcommand(
        "threads", "Have kernel threads of its own receive for an interface, and name them");

    command->footer(
        "Threaded NAPI: without it veth receives on whichever CPU sends. Prints a line with pid\n"
        "and name for each thread. Use it after XDP programs were attached: veth starts new\n"
        "threads, pinned nowhere, when they come or go.");
    command
        ->add_option("-i,--interface", arguments->interface, "Interface of this network namespace")
        ->required();
    command->add_option("--cpu", arguments->cpus,
                        "Pin the threads to this CPU, or in turn to several, as in 0,1");
    command->add_flag("--realtime", arguments->realtime,
                      "Run them before everything else on their CPU: needed at the client's end, "
                      "where the generator would keep them from taking replies in time");
    command->add_flag("--off", arguments->off, "Back to soft interrupts");
    add_json_option(*command, arguments->json);
    command->callback([arguments] { run(*arguments); });
}

} // namespace trafficgen
