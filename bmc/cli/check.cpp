// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/check.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bmc/cli/commands.h"
#include "bmc/cli/settings.h"

namespace bmc::cli
{

namespace
{

void print_json(const Findings &findings)
{
    nlohmann::ordered_json report = nlohmann::ordered_json::array();

    for (const Finding &finding : findings)
        report.push_back({{"name", finding.name},
                          {"verdict", verdict_name(finding.verdict)},
                          {"message", finding.message},
                          {"advice", finding.advice}});
    /* Names of interfaces need not be UTF-8. */
    fmt::print("{}\n", report.dump(4, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_lines(const Findings &findings)
{
    for (const Finding &finding : findings)
        fmt::print("{:<8} {}: {}{}{}\n", verdict_name(finding.verdict), finding.name,
                   finding.message, finding.advice.empty() ? "" : "; ", finding.advice);
}

/// What the options are, and what this host makes of them.
Findings examine(const SettingOptions &options)
{
    const auto chosen = options.choose();
    if (!chosen)
        return {failed("options", chosen.error())};

    Findings findings = {
        {"options", Verdict::ok,
         chosen->file.empty() ? "from the command line" : fmt::format("from {}", chosen->file),
         ""}};
    Findings more = check_host(chosen->settings.attach, Features());
    findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
    return findings;
}

void run(const SettingOptions &options, bool json)
{
    const Findings findings = examine(options);

    if (json)
        print_json(findings);
    else
        print_lines(findings);
    if (std::any_of(findings.begin(), findings.end(),
                    [](const Finding &finding) { return finding.verdict == Verdict::fail; }))
        end_with_failure();
}

} // namespace

void add_check(CLI::App &app)
{
    const auto json = std::make_shared<bool>(false);
    CLI::App *const command =
        app.add_subcommand("check", "Tell whether this host can do it, without attaching anything");
    const auto options = std::make_shared<SettingOptions>(*command, SettingScope::run);

    command->footer("Takes the options of attach and run. Exit code 0 if nothing fails.\n"
                    "Examples:\n"
                    "  bmc check --interface eth0\n"
                    "  bmc check --config /etc/bmc/web.toml\n"
                    "  bmc check --interface eth0 --json");
    command->add_flag("--json", *json, "Print one JSON array");
    command->callback([options, json] { run(*options, *json); });
}

} // namespace bmc::cli
