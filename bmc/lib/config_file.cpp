// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/config_file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include "bmc/lib/fd.h"

namespace bmc
{

namespace
{

/// What a setting takes, for people.
const char *wanted(const Setting &setting)
{
    switch (setting.type) {
    case SettingType::number:
        return setting.many ? "an integer or a list of integers" : "an integer";
    case SettingType::number_or_text:
        return "an integer or a string";
    case SettingType::seconds:
        return "a number of seconds";
    case SettingType::flag:
        return "true or false";
    case SettingType::text:
        break;
    }
    return setting.many ? "a string or a list of strings" : "a string";
}

/// What a value is, for people.
const char *kind_of(const toml::node &node)
{
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "a list";
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
        return "an integer";
    case toml::node_type::floating_point:
        return "a number with a fraction";
    case toml::node_type::boolean:
        return "true or false";
    default:
        return "a date or time";
    }
}

/// Whether a setting takes a value of this type.
bool takes(SettingType type, const toml::node &node)
{
    switch (type) {
    case SettingType::text:
        return node.is_string();
    case SettingType::number:
        return node.is_integer();
    case SettingType::number_or_text:
        return node.is_integer() || node.is_string();
    case SettingType::seconds:
        return node.is_number();
    case SettingType::flag:
        break;
    }
    return node.is_boolean();
}

/// A value as it would be typed.
std::string text_of(const toml::node &node)
{
    if (const auto *text = node.as_string())
        return text->get();
    if (const auto *number = node.as_integer())
        return fmt::format("{}", number->get());
    if (const auto *number = node.as_floating_point())
        return fmt::format("{}", number->get());
    return node.as_boolean()->get() ? "true" : "false";
}

class Parser
{
  public:
    Parser(const std::string &path, Settings &settings, bool instance_is_fixed)
        : path_(path), settings_(settings), instance_is_fixed_(instance_is_fixed)
    {
    }

    Status take_all(const toml::table &table) const
    {
        std::vector<std::pair<const toml::key *, const toml::node *>> entries;

        for (const auto &[key, node] : table)
            entries.emplace_back(&key, &node);
        /* The table is sorted by name; people look for the first error from above. */
        std::sort(entries.begin(), entries.end(), [](const auto &a, const auto &b) {
            return a.first->source().begin < b.first->source().begin;
        });
        for (const auto &[key, node] : entries)
            BMC_TRY(take(*key, *node));
        return Done{};
    }

    std::string place(const toml::source_region &region) const
    {
        return fmt::format("{}:{}", path_, region.begin.line);
    }

  private:
    Status take(const toml::key &key, const toml::node &node) const
    {
        const Setting *const setting = find_setting(key.str());
        if (setting == nullptr)
            return unknown(key);
        if (!setting->many || !node.is_array())
            return take_value(*setting, node, true);

        const toml::array &list = *node.as_array();
        if (list.empty())
            return Error{fmt::format("use the value of '{}'", setting->name),
                         fmt::format("({})", place(key.source())),
                         0,
                         "the list is empty; leave the key out",
                         {}};
        setting->clear(settings_);
        for (const toml::node &value : list)
            BMC_TRY(take_value(*setting, value, false));
        return Done{};
    }

    Status take_value(const Setting &setting, const toml::node &node, bool alone) const
    {
        const std::string where = fmt::format("({})", place(node.source()));

        if (!takes(setting.type, node))
            return Error{fmt::format("use the value of '{}'", setting.name),
                         where,
                         0,
                         fmt::format("it takes {}, not {}", wanted(setting), kind_of(node)),
                         {}};
        const std::string text = text_of(node);
        if (std::any_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }))
            return Error{fmt::format("use the value of '{}'", setting.name),
                         where,
                         0,
                         "it has a control character in it",
                         {}};

        const std::string instance = settings_.attach.instance;
        if (alone && setting.clear != nullptr)
            setting.clear(settings_);
        if (const Status taken = setting.take(settings_, text); !taken) {
            Error error = taken.error();
            error.object += " " + where;
            return error;
        }
        if (instance_is_fixed_ && settings_.attach.instance != instance)
            return Error{"use the instance name",
                         fmt::format("'{}' {}", settings_.attach.instance, where),
                         0,
                         fmt::format("the name of the file says '{}'", instance),
                         {}};
        return Done{};
    }

    Error unknown(const toml::key &key) const
    {
        std::vector<std::string_view> names;

        for (const Setting &setting : all_settings())
            names.push_back(setting.name);
        return {"use the key",
                fmt::format("'{}' ({})", key.str(), place(key.source())),
                0,
                fmt::format("there is none of this name; there are {}", fmt::join(names, ", ")),
                {}};
    }

    const std::string &path_;
    Settings &settings_;
    const bool instance_is_fixed_;
};

Result<std::string> read_text(const std::string &path)
{
    const auto failed = [&path](int code, std::string hint) {
        return Error{"read the file", path, code, std::move(hint), {}};
    };
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text(max_config_size + 1, '\0');
    size_t used = 0;

    if (!file)
        return failed(errno, "");
    while (used < text.size()) {
        const ssize_t size = read(file.get(), text.data() + used, text.size() - used);
        if (size < 0)
            return failed(errno, "");
        if (size == 0)
            break;
        used += static_cast<size_t>(size);
    }
    if (used > max_config_size)
        return failed(0, "it has more than 1 MiB, which no file of options has");
    text.resize(used);
    return text;
}

} // namespace

Status parse_config(std::string_view text, const std::string &path, Settings &settings,
                    bool instance_is_fixed)
{
    const Parser parser(path, settings, instance_is_fixed);

    try {
        return parser.take_all(toml::parse(text, path));
    } catch (const toml::parse_error &error) {
        return Error{"read", parser.place(error.source()), 0, std::string(error.description()), {}};
    }
}

Status read_config_file(const std::string &path, Settings &settings, bool instance_is_fixed)
{
    const auto text = read_text(path);

    if (!text)
        return text.error();
    return parse_config(*text, path, settings, instance_is_fixed);
}

} // namespace bmc
