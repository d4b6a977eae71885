// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/report.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

namespace loadgen
{

namespace
{

double microseconds(int64_t ns)
{
    return static_cast<double>(ns) / 1e3;
}

double ops_per_s(const Tally &tally)
{
    return tally.duration_s > 0 ? static_cast<double>(tally.completed) / tally.duration_s : 0;
}

// 1234567 as 1,234,567
std::string grouped(uint64_t number)
{
    std::string text = fmt::to_string(number);
    for (size_t at = text.size(); at > 3; at -= 3)
        text.insert(at - 3, ",");
    return text;
}

} // namespace

nlohmann::json report_json(const Options &options, const Tally &tally)
{
    const Histogram &latency = tally.latency;
    return {
        {"requests", tally.requests},
        {"replies", tally.replies},
        {"hits", tally.hits},
        {"misses", tally.misses},
        {"wrong", tally.wrong},
        {"lost", tally.lost},
        {"late", tally.late},
        {"sets", tally.sets},
        {"unsent", tally.unsent},
        {"duration_s", tally.duration_s},
        {"server_cpu_s", tally.server_cpu_s},
        {"ops_per_s", ops_per_s(tally)},
        {"mean_us", latency.mean() / 1e3},
        {"p50_us", microseconds(latency.quantile(0.5))},
        {"p90_us", microseconds(latency.quantile(0.9))},
        {"p99_us", microseconds(latency.quantile(0.99))},
        {"p999_us", microseconds(latency.quantile(0.999))},
        {"max_us", microseconds(latency.max())},
        {"config", to_json(options)},
    };
}

std::string report_table(const Options &options, const Tally &tally)
{
    std::string text;
    const auto line = [&text](std::string_view name, const std::string &value) {
        fmt::format_to(std::back_inserter(text), "{:<22}{:>14}\n", name, value);
    };
    const auto time = [&tally](double q) {
        return fmt::format("{:.1f} us", microseconds(tally.latency.quantile(q)));
    };

    line("requests", grouped(tally.requests));
    line("replies", grouped(tally.replies));
    line("  hits", grouped(tally.hits));
    line("  misses", grouped(tally.misses));
    line("wrong", grouped(tally.wrong));
    line("lost", grouped(tally.lost));
    line("  came late", grouped(tally.late));
    if (options.set_ratio > 0)
        line("sets", grouped(tally.sets));
    if (options.rate > 0)
        line("unsent", grouped(tally.unsent));
    line("duration", fmt::format("{:.2f} s", tally.duration_s));
    if (!options.server_pids.empty())
        line("CPU of the server", fmt::format("{:.2f} s", tally.server_cpu_s));
    line("throughput", grouped(static_cast<uint64_t>(ops_per_s(tally))) + " /s");
    line("latency  50 %", time(0.5));
    line("         90 %", time(0.9));
    line("         99 %", time(0.99));
    line("         99.9 %", time(0.999));
    line("         longest", fmt::format("{:.1f} us", microseconds(tally.latency.max())));
    return text;
}

std::string describe_wrong(const Tally &tally)
{
    std::string text;

    for (const WrongReply &reply : tally.wrong_replies)
        fmt::format_to(std::back_inserter(text), "wrong reply to get {}: {}\n{}", reply.key,
                       reply.reason, hex_dump(reply.datagram));
    return text;
}

std::string hex_dump(std::string_view bytes)
{
    constexpr size_t width = 16;
    std::string text;

    for (size_t at = 0; at < bytes.size(); at += width) {
        const std::string_view row = bytes.substr(at, width);
        std::string hex;
        std::string printable;
        for (const char c : row) {
            fmt::format_to(std::back_inserter(hex), "{:02x} ", static_cast<unsigned char>(c));
            printable += c >= ' ' && c <= '~' ? c : '.';
        }
        fmt::format_to(std::back_inserter(text), "  {:04x}  {:<48} {}\n", at, hex, printable);
    }
    return text;
}

} // namespace loadgen
