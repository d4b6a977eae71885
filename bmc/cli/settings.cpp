// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/cli/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bmc::cli
{

namespace
{

CLI::Option *add_option(CLI::App &command, const Setting &setting)
{
    const std::string name = fmt::format("--{}", setting.name);
    const std::string help(setting.help);

    if (setting.type == SettingType::flag)
        return command.add_flag(name, help);
    /* The words stay with the option: choose() asks it for them. */
    CLI::Option *const option = command.add_option(name, CLI::callback_t(), help);
    if (setting.many)
        option->expected(CLI::detail::expected_max_vector_size);
    std::string type(setting.type_name);
    if (setting.choices != nullptr)
        type += fmt::format(":{{{}}}", fmt::join(setting.choices(), ","));
    return option->type_name(type)->default_str(setting.shown(Settings()));
}

} // namespace

SettingOptions::SettingOptions(CLI::App &command, SettingScope scope)
{
    for (const Setting &setting : all_settings())
        if (setting.scope == SettingScope::attach || scope == SettingScope::run)
            options_.emplace_back(&setting, add_option(command, setting));
    config_ = command
                  .add_option("--config", CLI::callback_t(),
                              fmt::format("File of these options, in TOML; {}/NAME.toml of the "
                                          "instance, if that exists, unless one is given",
                                          config_folder))
                  ->type_name("FILE");
}

Result<ChosenSettings> SettingOptions::choose() const
{
    std::vector<Typed> typed;

    for (const auto &[setting, option] : options_)
        if (option->count() > 0)
            typed.push_back({setting, option->results()});
    std::optional<std::string> config;
    if (config_->count() > 0)
        config = config_->results().back();
    return choose_settings(typed, config);
}

} // namespace bmc::cli
