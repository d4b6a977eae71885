// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/status.h"

#include <memory>
#include <optional>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "bmc/abi/bucket.h"
#include "bmc/cli/commands.h"
#include "bmc/lib/instance.h"

namespace bmc::cli
{

namespace
{

using nlohmann::ordered_json;

struct Arguments {
    std::optional<std::string> instance; ///< all if there is none
    bool json = false;
};

/// Bytes of each of the large maps.
struct Memory {
    uint64_t clocks;
    uint64_t grants;
    uint64_t buckets;

    explicit Memory(const MemorySplit &split)
        : clocks(uint64_t{split.clock_count} * sizeof(__u64)),
          grants(uint64_t{split.grant_count} * sizeof(bmc_grant_slot)),
          buckets(uint64_t{split.bucket_count} * sizeof(bmc_bucket))
    {
    }
};

/// Of addresses or prefixes.
template <class T>
std::vector<std::string> texts_of(const std::vector<T> &list)
{
    std::vector<std::string> texts;

    for (const T &one : list)
        texts.push_back(one.text());
    return texts;
}

/// Share of the get requests that the kernel answered; none if there were none.
std::optional<double> hit_ratio(const Stats &stats)
{
    if (stats[BMC_COUNTER_rx_gets] == 0)
        return std::nullopt;
    return static_cast<double>(stats[BMC_COUNTER_hit]) /
           static_cast<double>(stats[BMC_COUNTER_rx_gets]);
}

ordered_json to_json(const InstanceStatus &status)
{
    const Stats &stats = status.stats;
    const Access &access = status.access;
    const Memory memory(status.split);
    ordered_json interfaces = ordered_json::array();
    ordered_json origin;

    for (const ServedInterface &interface : stats.interfaces)
        interfaces.push_back({{"name", interface.name},
                              {"mode", mode_name(interface.mode)},
                              {"tc", kind_name(interface.tc)}});
    if (status.origin)
        origin = {{"pid", status.origin->pid}, {"seen", static_cast<bool>(status.origin->process)}};
    const auto ratio = hit_ratio(stats);
    return {
        {"instance", stats.instance},
        {"attached", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(status.attached))},
        {"interfaces", std::move(interfaces)},
        {"ports", status.ports},
        {"addresses", texts_of(status.addresses)},
        {"allow", access.allow.empty() ? ordered_json() : ordered_json(texts_of(access.allow))},
        {"budget", access.budget == 0 ? ordered_json() : ordered_json(access.budget)},
        {"memory",
         {{"bytes", stats.memory_bytes},
          {"clocks", memory.clocks},
          {"grants", memory.grants},
          {"buckets", memory.buckets}}},
        {"generation", stats.generation},
        {"origin", std::move(origin)},
        {"without_origin", stats.without_origin},
        {"gets", stats[BMC_COUNTER_rx_gets]},
        {"hits", stats[BMC_COUNTER_hit]},
        {"hit_ratio", ratio ? ordered_json(*ratio) : ordered_json()},
    };
}

void print(const InstanceStatus &status)
{
    const auto line = [](std::string_view title, const std::string &text) {
        fmt::print("  {:<12}{}\n", title, text);
    };
    constexpr double mega = 1 << 20;
    const Stats &stats = status.stats;
    const Memory memory(status.split);
    std::vector<std::string> interfaces;

    for (const ServedInterface &interface : stats.interfaces)
        interfaces.push_back(fmt::format("{} ({}, attached to TC by {})", interface.name,
                                         mode_text(interface.mode), kind_name(interface.tc)));
    fmt::print("instance {}, attached since {:%Y-%m-%d %H:%M:%S}\n", stats.instance,
               fmt::localtime(status.attached));
    line("interfaces", fmt::format("{}", fmt::join(interfaces, ", ")));
    line("ports", fmt::format("{}", fmt::join(status.ports, ", ")));
    line("addresses", fmt::format("{}", fmt::join(texts_of(status.addresses), ", ")));
    if (!status.access.allow.empty())
        line("allow", fmt::format("{}", fmt::join(texts_of(status.access.allow), ", ")));
    if (status.access.budget != 0)
        line("budget", fmt::format("{} per second and source", format_size(status.access.budget)));
    line("memory", fmt::format("{:.1f} M: buckets {:.1f} M, clocks {:.1f} M, grants {:.1f} M",
                               static_cast<double>(stats.memory_bytes) / mega,
                               static_cast<double>(memory.buckets) / mega,
                               static_cast<double>(memory.clocks) / mega,
                               static_cast<double>(memory.grants) / mega));
    line("generation", std::to_string(stats.generation));
    line("origin",
         status.origin
             ? status.origin->text()
             : "none: memcached-sr does not run on this instance, so nothing is answered");
    if (status.origin && !stats.without_origin.empty())
        line("", fmt::format("has no UDP socket at {}: nothing is answered there",
                             fmt::join(stats.without_origin, ", ")));
    const auto ratio = hit_ratio(stats);
    line("gets", ratio ? fmt::format("{}, {:.1f} % answered by the kernel",
                                     stats[BMC_COUNTER_rx_gets], 100 * *ratio)
                       : "0");
}

void run(const Arguments &arguments)
{
    const std::vector<std::string> names = arguments.instance
                                               ? std::vector<std::string>{*arguments.instance}
                                               : check(list_instances(BMC_PIN_ROOT));
    ordered_json all = ordered_json::array();
    bool failed = false;

    for (const std::string &name : names) {
        const auto status = read_status(name);
        if (!status && !arguments.instance && !is_instance(instance_folder(BMC_PIN_ROOT, name)))
            continue; /* detached since it was listed */
        if (!status) {
            complain(status.error().line()); /* the others are shown all the same */
            failed = true;
        } else if (arguments.json) {
            all.push_back(to_json(*status));
        } else {
            print(*status);
        }
    }
    if (arguments.json && (!failed || !all.empty()))
        fmt::print("{}\n", all.dump(4));
    else if (!arguments.json && names.empty())
        say("nothing is attached");
    if (failed)
        throw CLI::RuntimeError(1);
}

} // namespace

void add_status(CLI::App &app)
{
    const auto arguments = std::make_shared<Arguments>();
    CLI::App *const command =
        app.add_subcommand("status", "Show the instances: where they are attached, their origins");

    command->footer("Examples:\n"
                    "  bmc status\n"
                    "  bmc status --instance web --json");
    command
        ->add_option("--instance", arguments->instance,
                     "Name of the instance; all if none is given")
        ->type_name("NAME");
    command->add_flag("--json", arguments->json, "Print one JSON array");
    command->callback([arguments] { run(*arguments); });
}

} // namespace bmc::cli
