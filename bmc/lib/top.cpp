// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/top.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/protocol/udp_frame.h"

namespace bmc
{

namespace
{

constexpr std::array<uint32_t, 6> class_limits = {64, 128, 256, 512, 1024, BMC_REPLY_TEXT_MAX};

/// Columns that blocks take at least which stand beside each other: what 80 columns give.
constexpr size_t left_min = 30;
constexpr size_t right_min = 48;
constexpr size_t gap = 2;

constexpr std::string_view miss_prefix = "rx_miss";
constexpr std::string_view miss_help = "missed: ";

double per_second(uint64_t before, uint64_t now, double seconds)
{
    return seconds > 0 ? static_cast<double>(now - before) / seconds : 0;
}

std::optional<double> ratio(uint64_t part, uint64_t whole)
{
    if (whole == 0)
        return std::nullopt;
    return static_cast<double>(part) / static_cast<double>(whole);
}

std::vector<HotKey> hottest_of(const SampledKeys &keys, uint64_t all, size_t most)
{
    std::vector<std::pair<std::string, uint64_t>> sorted(keys.begin(), keys.end());
    std::vector<HotKey> hottest;

    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto &a, const auto &b) { return a.second > b.second; });
    for (const auto &[key, count] : sorted) {
        if (hottest.size() == most)
            break;
        hottest.push_back({escape_key(key), ratio(count, all).value_or(0)});
    }
    return hottest;
}

using Block = std::vector<TopLine>;

std::string percent(const std::optional<double> &share)
{
    return share ? fmt::format("{:.1f} %", 100 * *share) : "-";
}

std::string size_text(uint64_t bytes)
{
    constexpr double kilo = 1 << 10;
    constexpr double mega = 1 << 20;
    const auto size = static_cast<double>(bytes);

    return size < mega ? fmt::format("{:.1f} K", size / kilo)
                       : fmt::format("{:.1f} M", size / mega);
}

Block rates_block(const std::string &title, const std::vector<Rate> &rates)
{
    Block block = {{title, true}};

    for (const Rate &rate : rates)
        block.push_back({fmt::format("{:>9.0f}  {}", rate.per_second, rate.name), false});
    return block;
}

Block latency_block(const TopView &view)
{
    const auto line = [](std::string_view when, const Latency &latency) {
        const auto below = [&latency](double share) {
            const auto us = latency.below(share);
            return us ? fmt::format("{}", *us) : "-";
        };
        return TopLine{fmt::format("  {:<14}{:>9}{:>9}{:>9}{:>9}{:>10}", when, below(0.5),
                                   below(0.9), below(0.99), below(0.999), latency.total()),
                       false};
    };

    return {{fmt::format("{:<16}{:>9}{:>9}{:>9}{:>9}{:>10}", "miss latency, us", "p50 <", "p90 <",
                         "p99 <", "p99.9 <", "samples"),
             true},
            line("now", view.latency),
            line("since attach", view.total_latency)};
}

Block keys_block(const TopView &view)
{
    Block block = {{fmt::format("hottest keys of {} samples", view.sampled_hits), true}};

    for (const HotKey &key : view.hottest)
        block.push_back({fmt::format("{:>9}  {}", percent(key.share), key.key), false});
    return block;
}

Block memory_block(const TopView &view)
{
    Block block = {
        {fmt::format("memory by size of text{}", view.memory.estimated ? ", estimated" : ""),
         true}};

    for (const SizeClass &one : view.memory.classes)
        block.push_back({fmt::format("     <= {:>4}  {:>10} entries  {:>9}", one.up_to, one.entries,
                                     size_text(one.bytes)),
                         false});
    return block;
}

/// One block beside the other, or below it.
Block join(const Block &left, const Block &right, size_t width)
{
    Block joined;

    if (width < left_min + gap + right_min) {
        joined = left;
        joined.push_back({});
        joined.insert(joined.end(), right.begin(), right.end());
        return joined;
    }
    const size_t half = std::min((width - gap) / 2, width - gap - right_min);
    for (size_t i = 0; i < std::max(left.size(), right.size()); i++) {
        const TopLine a = i < left.size() ? left[i] : TopLine{};
        const TopLine b = i < right.size() ? right[i] : TopLine{};
        joined.push_back(
            {fmt::format("{:<{}}{}", a.text.substr(0, half), half + gap, b.text), i == 0});
    }
    return joined;
}

} // namespace

MemoryUse scan_memory(const CacheReader &reader, uint32_t most, uint32_t round)
{
    const uint32_t count = reader.bucket_count();
    const uint32_t stride = count > most ? (count + most - 1) / most : 1;
    std::vector<CachedEntry> entries;
    uint64_t looked_at = 0;
    MemoryUse use;

    for (const uint32_t limit : class_limits)
        use.classes.push_back({limit, 0, 0});
    use.estimated = stride > 1;
    for (uint32_t bucket = round % stride; bucket < count; bucket += stride) {
        entries.clear();
        if (!reader.read(bucket, entries))
            continue;
        looked_at++;
        for (const CachedEntry &entry : entries) {
            const auto one =
                std::find_if(use.classes.begin(), use.classes.end() - 1,
                             [&entry](const SizeClass &size) { return entry.text <= size.up_to; });
            one->entries++;
            one->bytes += entry.memory;
        }
    }
    if (use.estimated && looked_at != 0)
        for (SizeClass &one : use.classes) {
            one.entries = one.entries * count / looked_at;
            one.bytes = one.bytes * count / looked_at;
        }
    return use;
}

TopView compare(const Snapshot &before, const Snapshot &now, MemoryUse memory, size_t keys)
{
    const Stats &a = before.stats;
    const Stats &b = now.stats;
    const double seconds = static_cast<double>(now.time_ns - before.time_ns) / 1e9;
    const auto rate = [&](bmc_counter counter) {
        return per_second(a[counter], b[counter], seconds);
    };
    const double gets = rate(BMC_COUNTER_rx_gets);
    const double hits = rate(BMC_COUNTER_hit);
    TopView view;
    double missed = 0;

    view.instance = b.instance;
    view.interfaces = b.interfaces;
    view.origin_alive = b.origin_alive;
    view.seconds = seconds;
    view.hit_ratio = ratio(b[BMC_COUNTER_hit] - a[BMC_COUNTER_hit],
                           b[BMC_COUNTER_rx_gets] - a[BMC_COUNTER_rx_gets]);
    view.total_hit_ratio = ratio(b[BMC_COUNTER_hit], b[BMC_COUNTER_rx_gets]);

    for (size_t i = 0; i < counter_infos.size(); i++) {
        if (!counter_infos[i].name.starts_with(miss_prefix))
            continue;
        std::string_view help = counter_infos[i].help;
        if (help.starts_with(miss_help))
            help.remove_prefix(miss_help.size());
        view.misses.push_back({std::string(help), rate(static_cast<bmc_counter>(i))});
        missed += view.misses.back().per_second;
    }
    /* Counters of other CPUs are read a little later: never less than none. */
    view.misses.push_back({"passed up for another reason", std::max(0.0, gets - hits - missed)});
    view.rates = {{"gets", gets},
                  {"hits", hits},
                  {"misses", std::max(0.0, gets - hits)},
                  {"fills", rate(BMC_COUNTER_fill_keys)},
                  {"evictions", rate(BMC_COUNTER_evict_keys)},
                  {"invalidations", rate(BMC_COUNTER_invalidate_keys)}};

    view.latency = now.samples.latency.since(before.samples.latency);
    view.total_latency = now.samples.latency;
    for (const auto &[key, count] : now.samples.keys)
        view.sampled_hits += count;
    view.hottest = hottest_of(now.samples.keys, view.sampled_hits, keys);
    view.memory = std::move(memory);
    return view;
}

std::vector<TopLine> layout(const TopView &view, size_t width)
{
    std::vector<std::string> interfaces;
    Block lines;

    for (const ServedInterface &interface : view.interfaces)
        interfaces.push_back(fmt::format("{} ({})", interface.name, mode_text(interface.mode)));
    lines.push_back({fmt::format("{}: {}{}", view.instance, fmt::join(interfaces, ", "),
                                 view.origin_alive ? "" : "; NO ORIGIN, nothing is answered"),
                     true});
    lines.push_back(
        {fmt::format("hit ratio {} in {:.1f} s, {} since attach", percent(view.hit_ratio),
                     view.seconds, percent(view.total_hit_ratio)),
         false});
    for (const Block &block :
         {join(rates_block("per second", view.rates), rates_block("misses per second", view.misses),
               width),
          latency_block(view), join(keys_block(view), memory_block(view), width)}) {
        lines.push_back({});
        lines.insert(lines.end(), block.begin(), block.end());
    }
    for (TopLine &line : lines) {
        line.text.resize(std::min(line.text.size(), width));
        line.text.erase(line.text.find_last_not_of(' ') + 1);
    }
    return lines;
}

} // namespace bmc
