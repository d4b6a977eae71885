// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/report.h"

#include <cmath>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sys/utsname.h>
#include <thread>

namespace runner
{

namespace
{

using Json = nlohmann::ordered_json;

std::string first_line_of(const std::string &path, const std::string &beginning = {})
{
    std::ifstream file(path);
    std::string line;

    while (std::getline(file, line))
        if (line.starts_with(beginning))
            return line;
    return {};
}

const char *name_of(Verdict verdict)
{
    switch (verdict) {
    case Verdict::reached:
        return "reached";
    case Verdict::missed:
        return "missed";
    case Verdict::undecided:
        break;
    }
    return "undecided";
}

/// 1234567 as 1,234,567, small numbers with three digits behind the point.
std::string number(double value)
{
    if (std::abs(value) < 1000)
        return fmt::format("{:.{}f}", value, std::abs(value) < 10 ? 3 : 1);
    std::string text = fmt::format("{:.0f}", value);
    for (size_t at = text.size(); at > 3; at -= 3)
        text.insert(at - 3, 1, ',');
    return text;
}

} // namespace

Json machine_json()
{
    const std::string cpu = first_line_of("/proc/cpuinfo", "model name");
    utsname system{};
    ::uname(&system);

    return {{"cpu", cpu.empty() ? system.machine : cpu.substr(cpu.find(':') + 2)},
            {"cpus", std::thread::hardware_concurrency()},
            {"kernel", system.release},
            {"date", fmt::format("{:%F %H:%M} UTC", fmt::gmtime(std::time(nullptr)))},
            {"load_before", first_line_of("/proc/loadavg")}};
}

Json to_json(const Ratio &ratio)
{
    const Spread spread = spread_of(ratio.rounds);
    const auto reason = ratio.invalid ? ratio.invalid : why_meaningless(spread);
    Json object = {{"value", nullptr},   {"spread", to_json(shifted(spread, ratio.shift))},
                   {"target", nullptr},  {"verdict", nullptr},
                   {"unit", ratio.unit}, {"what", ratio.what}};

    if (reason)
        object["reason"] = *reason;
    else
        object["value"] = spread.median + ratio.shift;
    if (ratio.target) {
        object["target"] = ratio.target->number + ratio.shift;
        object["target_is"] = ratio.target->at_least ? "at least" : "at most";
        object["verdict"] = name_of(reason ? Verdict::undecided : judge(spread, *ratio.target));
    }
    return object;
}

std::string describe_machine(const Json &machine)
{
    return fmt::format(
        "{}, {} CPUs, Linux {}, {}; load before: {}\n", machine.at("cpu").get<std::string>(),
        machine.at("cpus").get<unsigned>(), machine.at("kernel").get<std::string>(),
        machine.at("date").get<std::string>(), machine.at("load_before").get<std::string>());
}

std::string ratio_table(const Json &ratios)
{
    std::string text = fmt::format("{:<28}{:>11}  {:<22}{:>6}  {:<19}{}\n", "ratio", "value",
                                   "95 % interval", "rounds", "target", "");
    std::string notes;

    for (const auto &[name, ratio] : ratios.items()) {
        const Json &spread = ratio.at("spread");
        const Json &interval = spread.at("interval_95");
        const std::string between = interval.is_null()
                                        ? "-"
                                        : fmt::format("{} to {}", number(interval[0].get<double>()),
                                                      number(interval[1].get<double>()));
        const std::string target =
            ratio.at("target").is_null()
                ? "-"
                : fmt::format("{} {}", ratio.at("target_is").get<std::string>(),
                              number(ratio.at("target").get<double>()));
        fmt::format_to(std::back_inserter(text), "{:<28}{:>11}  {:<22}{:>6}  {:<19}{}\n", name,
                       ratio.at("value").is_null() ? "none"
                                                   : number(ratio.at("value").get<double>()),
                       between, spread.at("rounds").get<size_t>(), target,
                       ratio.at("verdict").is_null() ? "" : ratio.at("verdict").get<std::string>());
        if (ratio.contains("reason"))
            fmt::format_to(std::back_inserter(notes), "{}: no value, because {}.\n", name,
                           ratio.at("reason").get<std::string>());
    }
    return fmt::format("{}{}A value is the median of the rounds. It is withheld if its 95 % "
                       "interval is wider than\n{:.0f} % of it, or with fewer than 6 rounds.\n",
                       text, notes, 100 * widest_interval);
}

} // namespace runner
