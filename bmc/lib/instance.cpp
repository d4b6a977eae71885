// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/instance.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/abi/layout.h"
#include "bmc/abi/sample.h"
#include "bmc/lib/access.h"
#include "bmc/lib/devices.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/libbpf_log.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/record.h"

namespace bmc
{

namespace
{

constexpr std::string_view attaching_suffix = "+new";
constexpr std::string_view detaching_suffix = "+old";
constexpr const char *programs_name = "programs";
constexpr const char *other_programs_name = "programs+new";
constexpr const char *run_name = "run";

constexpr std::string_view xdp_link_prefix = "xdp_";
constexpr std::string_view tc_link_prefix = "tc_";

bool starts_with(std::string_view text, std::string_view prefix)
{
    return text.substr(0, prefix.size()) == prefix;
}

/// Removes both filters of an interface.
Status remove_both_filters(const std::string &folder, uint32_t ifindex)
{
    const LibbpfLog quiet;

    BMC_TRY(remove_filters(ifindex, TcDirection::ingress, program_ids(folder, "skb_rx_filter")));
    return remove_filters(ifindex, TcDirection::egress, program_ids(folder, "tx_filter"));
}

/// The record of an instance with the map it is in.
struct OpenRecord {
    RecordMap map;
    InstanceRecord value;
};

/// No record if attach was killed before it attached anything, or detach after
/// it had detached everything, or if a bmc that wrote it otherwise has made it.
Result<std::optional<OpenRecord>> open_record(const std::string &folder)
{
    auto map = RecordMap::open(folder);
    if (!map && map.error().code == ENOENT)
        return std::optional<OpenRecord>();
    if (!map)
        return map.error();
    const auto record = map->load();
    if (!record && record.error().code == ENOTSUP)
        return std::optional<OpenRecord>();
    if (!record)
        return record.error();
    return std::optional<OpenRecord>(OpenRecord{std::move(*map), *record});
}

/// Whether clsact filters may be there: not if the interface is gone.
bool has_filters(const std::string &folder, const InterfaceRecord &interface)
{
    if (interface.tc != TcKind::clsact)
        return false;
    const auto devices = DeviceMap::open(folder);
    return devices && devices->has(interface.ifindex);
}

/// Removes what no pin holds: clsact filters and qdiscs.
Status remove_clsact(const std::string &folder, const StepReport &report)
{
    auto record = open_record(folder);
    if (!record)
        return record.error();
    if (!*record) {
        /* Its filters can be told from others all the same; whose the qdisc is, cannot. */
        const auto devices = DeviceMap::open(folder);
        if (devices)
            for (const uint32_t ifindex : devices->list())
                BMC_TRY(remove_both_filters(folder, ifindex));
        return Done{};
    }

    auto &[map, value] = **record;
    for (uint32_t i = 0; i < value.interface_count; i++) {
        InterfaceRecord &interface = value.interface[i];
        if (!has_filters(folder, interface))
            continue;
        BMC_TRY(remove_both_filters(folder, interface.ifindex));
        report(fmt::format("removed the TC filters from {}", interface.name));
        if (interface.qdisc_added != 0)
            BMC_TRY(remove_empty_clsact(interface.ifindex));
        report(fmt::format("removed the clsact qdisc from {}", interface.name));
        interface.tc = TcKind::none;
        BMC_TRY(map.save(value));
    }
    return Done{};
}

/// Detaches a pinned link at once: the kernel would only get to it some time
/// after the pin is gone, and the next attach could find the place taken.
void detach_link(const std::string &path)
{
    const auto link = open_pin(path);

    if (link)
        bpf_link_detach(link->get()); /* fails only if its interface is gone */
}

/// Place of a pin in the order of removal.
enum Rank { rank_xdp_link, rank_tc_link, rank_other, rank_record };

Rank removal_rank(std::string_view name)
{
    if (starts_with(name, xdp_link_prefix))
        return rank_xdp_link;
    if (starts_with(name, tc_link_prefix))
        return rank_tc_link;
    return name == pin_record ? rank_record : rank_other;
}

} // namespace

std::string pin_xdp_link(uint32_t ifindex)
{
    return fmt::format("{}{}", xdp_link_prefix, ifindex);
}

std::string pin_tc_link(uint32_t ifindex, TcDirection direction)
{
    return fmt::format("{}{}_{}", tc_link_prefix, direction_name(direction), ifindex);
}

std::string programs_folder(const std::string &folder)
{
    return fmt::format("{}/{}", folder, programs_name);
}

std::string other_programs_folder(const std::string &folder)
{
    return fmt::format("{}/{}", folder, other_programs_name);
}

std::string run_folder(const std::string &folder)
{
    return fmt::format("{}/{}", folder, run_name);
}

std::string instance_folder(const std::string &root, std::string_view name)
{
    return fmt::format("{}/{}", root, name);
}

std::string attaching_folder(const std::string &root, std::string_view name)
{
    return fmt::format("{}/{}{}", root, name, attaching_suffix);
}

std::string detaching_folder(const std::string &root, std::string_view name)
{
    return fmt::format("{}/{}{}", root, name, detaching_suffix);
}

Result<std::vector<std::string>> list_instances(const std::string &root)
{
    auto names = list_folder(root);

    if (!names && names.error().code == ENOENT)
        return std::vector<std::string>();
    if (!names && names.error().code == EACCES)
        return Error{"list the folder", root, EACCES, "name one with --instance", {}};
    if (!names)
        return names.error();
    std::erase_if(*names, [&root](const std::string &name) {
        return !check_instance_name(name) || !is_instance(instance_folder(root, name));
    });
    return names;
}

bool is_instance(const std::string &folder)
{
    return exists(folder + "/" + pin_record);
}

Result<uint64_t> instance_id(const std::string &folder)
{
    struct stat info = {};

    if (stat(folder.c_str(), &info) != 0)
        return Error{"examine the folder", folder, errno, {}, {}};
    return uint64_t{info.st_ino};
}

Status let_group_read(const std::string &folder, gid_t group)
{
    for (const char *const name : {pin_record, pin_buckets, BMC_PIN_CONTROL, BMC_PIN_CLOCKS,
                                   BMC_PIN_SOCKETS, BMC_PIN_KEY_SAMPLES, BMC_PIN_MISS_LATENCY})
        BMC_TRY(give_to_group(fmt::format("{}/{}", folder, name), group, 0640));
    BMC_TRY(let_group_read_set(programs_folder(folder), group));
    return give_to_group(folder, group, 0710);
}

Status let_group_read_set(const std::string &set, gid_t group)
{
    const std::string allow = fmt::format("{}/{}", set, pin_allow);

    if (exists(allow))
        BMC_TRY(give_to_group(allow, group, 0640));
    BMC_TRY(give_to_group(fmt::format("{}/{}", set, pin_counters), group, 0640));
    return give_to_group(set, group, 0710);
}

Status let_owner_read(const std::string &folder)
{
    return set_mode(folder, 0700);
}

bool origin_holds(const std::string &folder)
{
    return is_folder_locked(folder);
}

std::vector<uint32_t> program_ids(const std::string &folder, const std::string &name)
{
    std::vector<uint32_t> ids;

    /* Until layout 4 programs were pinned beside the maps. */
    for (const std::string &set :
         {programs_folder(folder), other_programs_folder(folder), folder}) {
        const auto program = open_pin(fmt::format("{}/{}", set, name));
        bpf_prog_info info = {};
        __u32 size = sizeof info;
        if (program && bpf_obj_get_info_by_fd(program->get(), &info, &size) == 0)
            ids.push_back(info.id);
    }
    return ids;
}

Error no_such_instance(const std::string &operation, const std::string &name,
                       const std::string &root)
{
    const auto names = list_instances(root);
    const std::string attached =
        !names || names->empty() ? "nothing" : fmt::format("{}", fmt::join(*names, ", "));

    return {operation + " the instance",
            fmt::format("'{}'", name),
            0,
            fmt::format("there is none of this name; attached: {}", attached),
            {}};
}

void detach_links(const std::string &folder, uint32_t ifindex)
{
    for (const std::string &name :
         {pin_xdp_link(ifindex), pin_tc_link(ifindex, TcDirection::ingress),
          pin_tc_link(ifindex, TcDirection::egress)})
        detach_link(fmt::format("{}/{}", folder, name));
}

Status check_removable(const std::string &folder)
{
    const auto record = open_record(folder);
    if (!record)
        return record.error();
    if (!*record)
        return Done{};
    const auto here = network_namespace();
    if (!here)
        return here.error();
    if (*here == (*record)->value.network_namespace)
        return Done{};

    for (uint32_t i = 0; i < (*record)->value.interface_count; i++) {
        const InterfaceRecord &interface = (*record)->value.interface[i];
        if (has_filters(folder, interface))
            return Error{"remove the TC filters from",
                         interface.name,
                         0,
                         "they are in another network namespace; run bmc there, as in `nsenter "
                         "--net=/run/netns/NAME bmc detach`",
                         {}};
    }
    return Done{};
}

Status remove_instance(const std::string &folder, const StepReport &report)
{
    const StepReport said = report ? report : [](std::string_view) {};

    BMC_TRY(check_removable(folder));
    BMC_TRY(remove_clsact(folder, said));

    auto names = list_folder(folder);
    if (!names)
        return names.error();
    std::stable_sort(names->begin(), names->end(), [](const auto &a, const auto &b) {
        return removal_rank(a) < removal_rank(b);
    });
    for (const std::string &name : *names) {
        const std::string path = fmt::format("{}/{}", folder, name);
        if (removal_rank(name) <= rank_tc_link)
            detach_link(path);
        BMC_TRY(is_folder(path) ? remove_folder(path) : remove_pin(path));
        said(fmt::format("removed {}", name));
    }
    return remove_folder(folder);
}

Status retire_instance(const PinRoot &root, const std::string &instance, const StepReport &report)
{
    const std::string folder = instance_folder(root.path(), instance);
    const std::string retired = detaching_folder(root.path(), instance);

    BMC_TRY(check_removable(folder));
    if (std::rename(folder.c_str(), retired.c_str()) != 0)
        return Error{"rename the folder", folder, errno, {}, {}};
    if (report)
        report("renamed the folder");
    return remove_instance(retired, report);
}

std::string describe(const Leftover &leftover)
{
    if (!leftover.removed)
        return leftover.removed.error().line();
    return fmt::format("removed what an interrupted bmc had left of '{}'{}", leftover.instance,
                       leftover.origin_was_alive
                           ? "; its memcached-sr goes on without the cache: restart it"
                           : "");
}

Result<std::vector<Leftover>> remove_leftovers(const PinRoot &root)
{
    const auto names = list_folder(root.path());
    if (!names)
        return names.error();

    std::vector<Leftover> found;
    for (const std::string &name : *names) {
        const size_t plus = name.find('+');
        if (plus == std::string::npos ||
            (name.substr(plus) != attaching_suffix && name.substr(plus) != detaching_suffix))
            continue;
        std::string folder = root.path() + "/" + name;
        const bool origin_was_alive = origin_holds(folder);
        Status removed = remove_instance(folder);
        found.push_back(
            {name.substr(0, plus), std::move(folder), origin_was_alive, std::move(removed)});
    }
    return found;
}

} // namespace bmc
