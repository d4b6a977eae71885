// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_SETTINGS_H
#define BMC_CLI_SETTINGS_H

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "bmc/lib/settings.h"

namespace bmc::cli
{

/// The options of a command that has an instance's settings, one for each setting,
/// and --config.
class SettingOptions
{
  public:
    /// Adds the options of a scope; those of `run` have the others with them. The
    /// object must live until the command line was parsed.
    SettingOptions(CLI::App &command, SettingScope scope);
    SettingOptions(const SettingOptions &) = delete;
    SettingOptions &operator=(const SettingOptions &) = delete;
    ~SettingOptions() = default;

    /// What was typed, the instance's file, and the defaults together.
    Result<ChosenSettings> choose() const;

  private:
    std::vector<std::pair<const Setting *, CLI::Option *>> options_;
    CLI::Option *config_ = nullptr;
};

} // namespace bmc::cli

#endif
