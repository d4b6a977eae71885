// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/lib/config.h"
#include "bmc/lib/config_file.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/pins.h"

namespace bmc
{

namespace
{

constexpr std::array<std::pair<std::string_view, ModeChoice>, 4> modes = {{
    {"auto", ModeChoice::automatic},
    {"native", ModeChoice::native},
    {"generic", ModeChoice::generic},
    {"tc", ModeChoice::tc},
}};
constexpr std::array<std::pair<std::string_view, TcChoice>, 3> tc_kinds = {{
    {"auto", TcChoice::automatic},
    {"tcx", TcChoice::tcx},
    {"clsact", TcChoice::clsact},
}};

template <const auto &List>
std::vector<std::string_view> names_of()
{
    std::vector<std::string_view> names;

    for (const auto &entry : List)
        names.push_back(entry.first);
    return names;
}

/// Takes one of the names of a list of choices.
template <const auto &List, class T>
Status take_choice(T &choice, const char *what, const std::string &value)
{
    for (const auto &[name, meaning] : List) {
        if (name == value) {
            choice = meaning;
            return Done{};
        }
    }
    return Error{fmt::format("use the {}", what),
                 fmt::format("'{}'", value),
                 0,
                 fmt::format("give one of {}", fmt::join(names_of<List>(), ", ")),
                 {}};
}

template <class List, class T>
std::string choice_name(const List &list, T choice)
{
    const auto place = std::find_if(list.begin(), list.end(),
                                    [choice](const auto &entry) { return entry.second == choice; });

    return std::string(place->first);
}

template <class T>
void add_once(std::vector<T> &to, const T &value)
{
    if (std::find(to.begin(), to.end(), value) == to.end())
        to.push_back(value);
}

Status take_flag(bool &flag, const char *name, const std::string &value)
{
    if (value != "true" && value != "false")
        return Error{fmt::format("use the value of {}", name),
                     fmt::format("'{}'", value),
                     0,
                     "it is true or false",
                     {}};
    flag = value == "true";
    return Done{};
}

std::string nothing(const Settings &)
{
    return {};
}

Status take_allow(Settings &settings, const std::string &value)
{
    const auto prefix = parse_prefix(value);

    if (!prefix)
        return prefix.error();
    add_once(settings.attach.access.allow, *prefix);
    return Done{};
}

Status take_budget(Settings &settings, const std::string &value)
{
    const auto size = parse_size(value);

    if (!size)
        return size.error();
    BMC_TRY(check_min_budget(*size));
    settings.attach.access.budget = *size;
    return Done{};
}

constexpr std::array<Setting, 13> table = {{
    {"interface", SettingType::text, true, "IF", "Interfaces that requests come by",
     SettingScope::attach, nullptr,
     [](Settings &settings, const std::string &value) -> Status {
         BMC_TRY(check_interface_name(value));
         add_once(settings.attach.interfaces, value);
         if (settings.attach.interfaces.size() > BMC_MAX_MACS)
             return too_many("interfaces", BMC_MAX_MACS, "--interface");
         return Done{};
     },
     [](Settings &settings) { settings.attach.interfaces.clear(); }, nothing},
    {"port", SettingType::number, true, "P", "UDP ports of the origin", SettingScope::attach,
     nullptr,
     [](Settings &settings, const std::string &value) -> Status {
         const auto port = parse_port(value);
         if (!port)
             return port.error();
         add_once(settings.attach.ports, *port);
         if (settings.attach.ports.size() > BMC_MAX_PORTS)
             return too_many("ports", BMC_MAX_PORTS, "--port");
         return Done{};
     },
     [](Settings &settings) { settings.attach.ports.clear(); },
     [](const Settings &settings) {
         return fmt::format("{}", fmt::join(settings.attach.ports, " "));
     }},
    {"address", SettingType::text, true, "A",
     "Addresses of the origin; all that the interfaces have if none is given", SettingScope::attach,
     nullptr,
     [](Settings &settings, const std::string &value) -> Status {
         const auto address = parse_address(value);
         if (!address)
             return address.error();
         add_once(settings.attach.addresses, *address);
         return Done{};
     },
     [](Settings &settings) { settings.attach.addresses.clear(); }, nothing},
    {"memory", SettingType::number_or_text, false, "SIZE",
     "Memory of the cache in bytes, or with K, M or G", SettingScope::attach, nullptr,
     [](Settings &settings, const std::string &value) -> Status {
         const auto size = parse_size(value);
         if (!size)
             return size.error();
         BMC_TRY(check_min_memory(*size));
         settings.attach.memory = *size;
         return Done{};
     },
     nullptr, [](const Settings &settings) { return format_size(settings.attach.memory); }},
    {"allow", SettingType::text, true, "PREFIX",
     "Sources that the kernel answers, as in 10.0.0.0/8; all if none is given. Others get their "
     "replies from memcached",
     SettingScope::attach, nullptr, take_allow,
     [](Settings &settings) { settings.attach.access.allow.clear(); }, nothing},
    {"budget", SettingType::number_or_text, false, "SIZE",
     "Bytes that the kernel sends to one source (IPv6: one /64) per second, those of a second at "
     "once; no limit if none is given. What is over comes from memcached",
     SettingScope::attach, nullptr, take_budget, nullptr, nothing},
    {"instance", SettingType::text, false, "NAME", "Name of this instance", SettingScope::attach,
     nullptr,
     [](Settings &settings, const std::string &value) -> Status {
         BMC_TRY(check_instance_name(value));
         settings.attach.instance = value;
         return Done{};
     },
     nullptr, [](const Settings &settings) { return settings.attach.instance; }},
    {"mode", SettingType::text, false, "MODE",
     "Where requests are answered first: XDP in the driver (native), XDP in the stack (generic), "
     "TC ingress without XDP (tc), or native where the drivers can and tc otherwise (auto)",
     SettingScope::attach, names_of<modes>,
     [](Settings &settings, const std::string &value) {
         return take_choice<modes>(settings.attach.mode, "mode", value);
     },
     nullptr, [](const Settings &settings) { return choice_name(modes, settings.attach.mode); }},
    {"tc", SettingType::text, false, "KIND",
     "How to attach to TC: TCX links (tcx), filters, as before Linux 6.6 (clsact), or whichever "
     "the kernel has (auto)",
     SettingScope::attach, names_of<tc_kinds>,
     [](Settings &settings, const std::string &value) {
         return take_choice<tc_kinds>(settings.attach.tc, "kind of TC", value);
     },
     nullptr, [](const Settings &settings) { return choice_name(tc_kinds, settings.attach.tc); }},
    {"group", SettingType::text, false, "GROUP",
     "Group whose members may read the instance (status, stats, top, dump) without any privilege",
     SettingScope::attach, nullptr,
     [](Settings &settings, const std::string &value) -> Status {
         auto group = find_group(value);
         if (!group)
             return group.error();
         settings.attach.group = std::move(*group);
         return Done{};
     },
     nullptr, nothing},
    {"verbose", SettingType::flag, false, "",
     "Say each step, and show the kernel's log if it refuses the programs", SettingScope::attach,
     nullptr,
     [](Settings &settings, const std::string &value) {
         return take_flag(settings.verbose, "verbose", value);
     },
     nullptr, nothing},
    {"metrics", SettingType::number_or_text, false, "PORT",
     "Offer metrics to Prometheus by HTTP at [ADDRESS:]PORT, of 127.0.0.1 if no address is given",
     SettingScope::run, nullptr,
     [](Settings &settings, const std::string &value) -> Status {
         const auto place = parse_listen_address(value);
         if (!place)
             return place.error();
         settings.metrics = *place;
         return Done{};
     },
     nullptr, nothing},
    {"keep", SettingType::flag, false, "", "Leave the cache attached at the end", SettingScope::run,
     nullptr,
     [](Settings &settings,
        const std::string &value) { return take_flag(settings.keep, "keep", value); },
     nullptr, nothing},
}};

/// The instance that was typed, or the default.
Result<std::string> typed_instance(const std::vector<Typed> &typed)
{
    Settings settings;

    for (const Typed &one : typed)
        if (one.setting->name == "instance")
            for (const std::string &value : one.values)
                BMC_TRY(one.setting->take(settings, value));
    return settings.attach.instance;
}

} // namespace

std::span<const Setting> all_settings()
{
    return table;
}

const Setting *find_setting(std::string_view name)
{
    const auto place = std::find_if(table.begin(), table.end(),
                                    [name](const Setting &one) { return one.name == name; });

    return place == table.end() ? nullptr : &*place;
}

Result<ChosenSettings> choose_settings(const std::vector<Typed> &typed,
                                       const std::optional<std::string> &config,
                                       const std::string &folder)
{
    const auto name = typed_instance(typed);
    if (!name)
        return name.error();
    ChosenSettings chosen;

    if (config) {
        chosen.file = *config;
    } else if (const std::string path = fmt::format("{}/{}.toml", folder, *name); exists(path)) {
        chosen.file = path;
        chosen.by_name = true;
    }
    /* A file that is found by an instance's name must not make another one. */
    if (chosen.by_name)
        chosen.settings.attach.instance = *name;
    if (config || chosen.by_name)
        BMC_TRY(read_config_file(chosen.file, chosen.settings, chosen.by_name));

    for (const Typed &one : typed) {
        if (one.setting->clear != nullptr)
            one.setting->clear(chosen.settings);
        for (const std::string &value : one.values)
            BMC_TRY(one.setting->take(chosen.settings, value));
    }
    return chosen;
}

} // namespace bmc
