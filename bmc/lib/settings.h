// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_SETTINGS_H
#define BMC_LIB_SETTINGS_H

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bmc/lib/attach.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// All that can be set for an instance, on the command line and in its file.
struct Settings {
    AttachOptions attach;
    std::optional<ListenAddress> metrics; ///< where to offer them
    bool keep = false;
    bool verbose = false;
    /// A setting of SettingScope::stock that was given, if any.
    std::string_view stock_setting;
};

/// What a value looks like in a file; on the command line all are words.
enum class SettingType {
    text,   ///< a string
    number, ///< an integer
    number_or_text,
    seconds, ///< an integer or a number with a fraction
    flag, ///< true or false
};

/// Which commands have a setting as an option. The file may hold all of them.
enum class SettingScope {
    attach, ///< attach and run
    run,
    stock, ///< run, and only for an origin that is not memcached-sr
};

/// One setting: `--name` on the command line, `name` in a file.
struct Setting {
    std::string_view name;
    SettingType type;
    bool many;                  ///< takes several values
    std::string_view type_name; ///< of a value, in the help; a flag has none
    std::string_view help;
    SettingScope scope;
    /// The words that it takes, or null if there are many.
    std::vector<std::string_view> (*choices)();

    /// Takes one value; a flag "true" or "false". Values of one that has `many` add
    /// up, each counting once.
    Status (*take)(Settings &settings, const std::string &value);
    /// Makes place for other values than the present ones; null unless `many`.
    void (*clear)(Settings &settings);
    /// The present values as text, to be shown as the default.
    std::string (*shown)(const Settings &settings);
};

/// Every setting there is.
std::span<const Setting> all_settings();

/// The setting with this name, or null.
const Setting *find_setting(std::string_view name);

/// What was typed for one setting.
struct Typed {
    const Setting *setting;
    std::vector<std::string> values;
};

/// Folder of the files that are found by the instance's name.
constexpr const char *config_folder = "/etc/bmc";

/// The settings of a command.
struct ChosenSettings {
    Settings settings;
    std::string file;     ///< where some of them are from; empty: no file
    bool by_name = false; ///< nobody named the file
};

/// The settings that hold: what was typed, before what the file says, before the
/// defaults. The file is `config`, or FOLDER/INSTANCE.toml if that exists. An
/// error names the file and the line that it is about.
Result<ChosenSettings> choose_settings(const std::vector<Typed> &typed,
                                       const std::optional<std::string> &config,
                                       const std::string &folder = config_folder);

} // namespace bmc

#endif
