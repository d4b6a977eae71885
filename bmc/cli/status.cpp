// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/status.h"

#include <functional>
#include <iterator>
#include <memory>
#include <optional>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "bmc/abi/bucket.h"
#include "bmc/cli/commands.h"
#include "bmc/lib/features.h"
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

/// Prints a line of the report, its title first.
using LinePrinter = std::function<void(std::string_view title, const std::string &text)>;

/// Bytes of each of the large maps.
struct Memory {
    uint64_t clocks; ///< with their slots
    uint64_t grants; ///< or leases
    uint64_t buckets;

    explicit Memory(const MemorySplit &split)
        : clocks(uint64_t{split.clock_count} * sizeof(__u64) +
                 uint64_t{split.slot_count()} * sizeof(bmc_slot)),
          grants(uint64_t{split.grant_count} * sizeof(bmc_grant_slot) +
                 (split.lease_count > 1 ? uint64_t{split.lease_count} * sizeof(bmc_lease) : 0)),
          buckets(uint64_t{split.bucket_count} * sizeof(bmc_bucket))
    {
    }
};

std::vector<std::string> addresses_of(const InstanceStatus &status)
{
    std::vector<std::string> texts;

    for (const Address &address : status.addresses)
        texts.push_back(address.text());
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

/// What the instance is at, with a stock memcached.
std::string state_text(const StockStatus &stock)
{
    if (!stock.watched)
        return "nobody watches memcached: start `bmc run --origin stock` again";
    switch (stock.record.phase) {
    case StockPhase::covering:
        return fmt::format("nothing is answered before {} connections that cannot be followed have "
                           "ended",
                           stock.record.blind);
    case StockPhase::dumping:
        return "reading the exptimes of its items; nothing is cached so far";
    case StockPhase::serving:
        return stock.covered ? "serving"
                             : "a connection cannot be followed any further: nothing is answered";
    case StockPhase::waiting:
        break;
    }
    return "waiting for memcached; nothing is answered";
}

double seconds(uint64_t milliseconds)
{
    return static_cast<double>(milliseconds) / 1000;
}

ordered_json to_json(const StockStatus &stock, const Stats &stats)
{
    constexpr const char *phases[] = {"waiting", "covering", "dumping", "serving"};
    const auto phase = static_cast<size_t>(stock.record.phase);

    return {
        {"phase", phase < std::size(phases) ? phases[phase] : "unknown"},
        {"pid", stock.pid},
        {"watched", stock.watched},
        {"covered", stock.covered},
        {"guard_s", seconds(stock.record.guard_ms)},
        {"refresh_s", seconds(stock.record.refresh_ms)},
        {"max_age_s", stock.record.max_age_ms == 0 ? ordered_json()
                                                   : ordered_json(seconds(stock.record.max_age_ms))},
        {"items_dumped", stock.record.items},
        {"connections_followed", stock.followed},
        {"connections_blind", stock.record.blind},
        {"blind_spots", stock.record.blind_spots},
        {"generation_advances",
         {{"covered", stock.record.covers},
          {"flush", stats[BMC_COUNTER_advance_flush]},
          {"untracked", stats[BMC_COUNTER_advance_untracked]},
          {"busy", stats[BMC_COUNTER_advance_busy]}}},
    };
}

ordered_json to_json(const InstanceStatus &status)
{
    const Stats &stats = status.stats;
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
        {"addresses", addresses_of(status)},
        {"memory",
         {{"bytes", stats.memory_bytes},
          {"clocks", memory.clocks},
          {"grants", memory.grants},
          {"buckets", memory.buckets}}},
        {"generation", stats.generation},
        {"origin", std::move(origin)},
        {"stock", status.stock ? to_json(*status.stock, stats) : ordered_json()},
        {"without_origin", stats.without_origin},
        {"gets", stats[BMC_COUNTER_rx_gets]},
        {"hits", stats[BMC_COUNTER_hit]},
        {"hit_ratio", ratio ? ordered_json(*ratio) : ordered_json()},
    };
}

/// With a stock memcached: what is promised, under which assumptions, and what it is at.
void print(const StockStatus &stock, const Stats &stats, const LinePrinter &line)
{
    const StockRecord &record = stock.record;

    line("origin", stock.pid == 0 ? "none" : fmt::format("memcached with pid {}", stock.pid));
    line("state", state_text(stock));
    line("assumes", fmt::format("memcached applies a write, and sends what it has read, within {} s "
                                "(half the guard time of {} s)",
                                seconds(record.guard_ms) / 2, seconds(record.guard_ms)));
    line("", record.max_age_ms != 0
                 ? fmt::format("items from before the attach do not expire within {} s (--max-age)",
                               seconds(record.max_age_ms))
                 : fmt::format("{} items from before the attach, their exptimes read",
                               record.items));
    if (record.blind_spots[0] != '\0')
        line("not seen", fmt::format("{}: what is written there is answered stale",
                                     record.blind_spots));
    line("connections",
         fmt::format("{} followed, {} not", stock.followed, record.blind));
    line("advances",
         fmt::format("of the generation: {} connections covered, {} flush_all, {} not followed, {} "
                     "too busy",
                     record.covers, stats[BMC_COUNTER_advance_flush],
                     stats[BMC_COUNTER_advance_untracked], stats[BMC_COUNTER_advance_busy]));
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
    line("addresses", fmt::format("{}", fmt::join(addresses_of(status), ", ")));
    line("memory", fmt::format("{:.1f} M: buckets {:.1f} M, clocks {:.1f} M, grants {:.1f} M",
                               static_cast<double>(stats.memory_bytes) / mega,
                               static_cast<double>(memory.buckets) / mega,
                               static_cast<double>(memory.clocks) / mega,
                               static_cast<double>(memory.grants) / mega));
    line("generation", std::to_string(stats.generation));
    if (status.stock)
        print(*status.stock, stats, line);
    else
        line("origin",
             status.origin
                 ? status.origin->text()
                 : "none: memcached-sr does not run on this instance, so nothing is answered");
    if (stats.origin_alive && !stats.without_origin.empty())
        line("", fmt::format("has no UDP socket at {}: nothing is answered there",
                             fmt::join(stats.without_origin, ", ")));
    const auto ratio = hit_ratio(stats);
    line("gets", ratio ? fmt::format("{}, {:.1f} % answered by the kernel",
                                     stats[BMC_COUNTER_rx_gets], 100 * *ratio)
                       : "0");
}

void run(const Arguments &arguments)
{
    check(Features().privilege(Work::read));
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
