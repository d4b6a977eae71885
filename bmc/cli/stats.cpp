// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stats.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "bmc/cli/commands.h"
#include "bmc/lib/attach.h"
#include "bmc/lib/origin_stats.h"
#include "bmc/lib/status.h"

namespace bmc::cli
{

namespace
{

struct Arguments {
    std::string instance = default_instance;
    bool json = false;
    bool all = false;
    bool with_origin = false;
};

/// How long memcached may take to answer at one address.
constexpr std::chrono::seconds origin_limit{1};

/// A heading of the report, and the beginnings of the names that it gathers.
struct Group {
    std::string_view title;
    std::vector<std::string_view> prefixes;
};

/// Every counter goes to the first group that takes it; the last takes all.
const std::vector<Group> groups = {
    {"answered by the kernel", {"hit"}},
    {"passed up by reason", {"rx_pass_"}},
    {"misses", {"rx_miss"}},
    {"writes seen", {"invalidate"}},
    {"came in", {"rx_"}},
    {"fills", {"fill_", "evict_", "tx_"}},
    {"a stock memcached as origin", {"lease_", "follow_", "advance_"}},
    {"other", {""}},
};

size_t group_of(std::string_view counter)
{
    const auto takes = [counter](const Group &group) {
        return std::any_of(group.prefixes.begin(), group.prefixes.end(),
                           [counter](std::string_view prefix) {
                               return counter.substr(0, prefix.size()) == prefix;
                           });
    };

    return static_cast<size_t>(std::find_if(groups.begin(), groups.end(), takes) - groups.begin());
}

/// Asks the memcached-sr of the instance at each place where it is attached.
OriginStats ask_origin_of(const std::string &instance)
{
    const InstanceStatus status = check(read_status(instance));
    std::vector<Endpoint> endpoints;

    if (!status.origin)
        fail(Error{"ask memcached for its statistics",
                   "",
                   0,
                   fmt::format("no memcached-sr runs on '{}'", instance),
                   {}});
    for (const uint16_t port : status.ports)
        for (const Address &address : status.addresses)
            endpoints.push_back({address, port});
    return check(ask_origin(endpoints, status.origin->pid, origin_limit));
}

nlohmann::ordered_json to_json(const GetCounts &gets)
{
    const auto ratio = gets.hit_ratio();

    return {{"cmd_get", gets.cmd_get},
            {"get_hits", gets.get_hits},
            {"get_misses", gets.get_misses},
            {"hit_ratio", ratio ? nlohmann::ordered_json(*ratio) : nlohmann::ordered_json()}};
}

void print_json(const Stats &stats, const std::optional<OriginStats> &origin)
{
    nlohmann::ordered_json interfaces = nlohmann::ordered_json::array();
    nlohmann::ordered_json counters;

    for (const ServedInterface &interface : stats.interfaces)
        interfaces.push_back({{"name", interface.name},
                              {"mode", mode_name(interface.mode)},
                              {"tc", kind_name(interface.tc)}});
    for (size_t i = 0; i < counter_infos.size(); i++)
        counters[std::string(counter_infos[i].name)] = stats.counters[i];
    nlohmann::ordered_json report = {
        {"instance", stats.instance},         {"interfaces", std::move(interfaces)},
        {"origin_alive", stats.origin_alive}, {"without_origin", stats.without_origin},
        {"generation", stats.generation},     {"memory_bytes", stats.memory_bytes},
        {"counters", std::move(counters)},
    };
    if (origin) {
        const GetCounts kernel = kernel_gets(stats);
        report["with_origin"] = {
            {"server", origin->server},           {"pid", origin->pid},
            {"uptime", origin->uptime},           {"kernel", to_json(kernel)},
            {"memcached", to_json(origin->gets)}, {"together", to_json(kernel + origin->gets)},
        };
    }
    fmt::print("{}\n", report.dump(4));
}

double percent(uint64_t part, uint64_t whole)
{
    return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print_table(const Stats &stats, bool all)
{
    std::vector<std::string> interfaces;

    for (const ServedInterface &interface : stats.interfaces)
        interfaces.push_back(fmt::format("{} ({})", interface.name, mode_text(interface.mode)));
    fmt::print("instance {}: {}, {} M of memory, generation {}\n", stats.instance,
               fmt::join(interfaces, ", "), stats.memory_bytes >> 20, stats.generation);
    if (!stats.origin_alive)
        fmt::print(
            "no origin: memcached-sr does not run on this instance, so nothing is answered\n");
    else if (!stats.without_origin.empty())
        fmt::print("its memcached-sr has no UDP socket at {}: nothing is answered there\n",
                   fmt::join(stats.without_origin, ", "));
    if (const uint64_t gets = stats[BMC_COUNTER_rx_gets]; gets != 0)
        fmt::print("{:.1f} % of {} get requests answered by the kernel ({:.1f} % at TC ingress)\n",
                   percent(stats[BMC_COUNTER_hit], gets), gets,
                   percent(stats[BMC_COUNTER_hit_tc], gets));

    for (size_t group = 0; group < groups.size(); group++) {
        bool titled = false;
        for (size_t i = 0; i < counter_infos.size(); i++) {
            const CounterInfo &info = counter_infos[i];
            if (group_of(info.name) != group || (stats.counters[i] == 0 && !all))
                continue;
            if (!titled)
                fmt::print("\n{}\n", groups[group].title);
            titled = true;
            fmt::print("  {:>20}  {:<22}  {}\n", stats.counters[i], info.name, info.help);
        }
    }
}

std::string ratio_text(const GetCounts &gets)
{
    const auto ratio = gets.hit_ratio();

    return ratio ? fmt::format("{:.1f} %", 100 * *ratio) : "-";
}

void print_with_origin(const Stats &stats, const OriginStats &origin)
{
    const GetCounts kernel = kernel_gets(stats);
    const GetCounts both = kernel + origin.gets;
    const auto line = [](std::string_view name, const auto &a, const auto &b, const auto &c) {
        fmt::print("  {:<12}{:>16}{:>16}{:>16}\n", name, a, b, c);
    };

    fmt::print("\nkeys that were asked for, with those of memcached (pid {}, at {})\n", origin.pid,
               origin.server);
    line("", "kernel", "memcached", "together");
    line("cmd_get", kernel.cmd_get, origin.gets.cmd_get, both.cmd_get);
    line("get_hits", kernel.get_hits, origin.gets.get_hits, both.get_hits);
    line("get_misses", kernel.get_misses, origin.gets.get_misses, both.get_misses);
    line("hit ratio", ratio_text(kernel), ratio_text(origin.gets), ratio_text(both));
    fmt::print("  the kernel counts since attach, memcached since its start {} s ago\n",
               origin.uptime);
}

void run(const Arguments &arguments)
{
    const Stats stats = check(read_stats(arguments.instance));
    std::optional<OriginStats> origin;

    if (arguments.with_origin)
        origin = ask_origin_of(arguments.instance);
    if (arguments.json) {
        print_json(stats, origin);
    } else {
        print_table(stats, arguments.all);
        if (origin)
            print_with_origin(stats, *origin);
    }
}

} // namespace

void add_stats(CLI::App &app)
{
    const auto arguments = std::make_shared<Arguments>();
    CLI::App *const command =
        app.add_subcommand("stats", "Show what the kernel answered, and why not the rest");

    command->footer("Examples:\n"
                    "  bmc stats\n"
                    "  bmc stats --with-origin\n"
                    "  bmc stats --instance web --json");
    command->add_option("--instance", arguments->instance, "Name of the instance")
        ->type_name("NAME")
        ->capture_default_str();
    command->add_flag("--json", arguments->json, "Print one JSON object");
    command->add_flag("--all", arguments->all, "Show counters that are zero too");
    command->add_flag("--with-origin", arguments->with_origin,
                      "Ask memcached over TCP too, and count its gets with the kernel's");
    command->callback([arguments] { run(*arguments); });
}

} // namespace bmc::cli
