// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/napi.h"

#include "bench/trafficgen/netlink.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <linux/genetlink.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

namespace trafficgen
{

namespace
{

// From Linux 6.8's uapi/linux/netdev.h, which is newer than Debian 12's headers.
constexpr const char netdev_family[] = "netdev";
constexpr uint8_t netdev_cmd_napi_get = 11;
constexpr uint16_t netdev_a_napi_ifindex = 1;
constexpr uint16_t netdev_a_napi_id = 2;
constexpr uint16_t netdev_a_napi_pid = 4;

Result<std::string> thread_name(pid_t pid)
{
    const std::string path = fmt::format("/proc/{}/comm", pid);
    std::ifstream file(path);
    std::string name;

    if (!std::getline(file, name))
        return system_error("read", path, errno);
    return name;
}

NetlinkRequest generic(uint16_t family, uint8_t command, uint16_t flags)
{
    genlmsghdr header = {};

    header.cmd = command;
    header.version = 1;
    return {family, flags, bytes_of(header)};
}

Result<uint16_t> find_family(const char *name, size_t size)
{
    NetlinkRequest request = generic(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
    uint16_t family = 0;

    request.add(CTRL_ATTR_FAMILY_NAME, {name, size});
    const Status done = exchange(NETLINK_GENERIC, request, [&](std::span<const char> message) {
        const auto id = find_attribute(message.subspan(GENL_HDRLEN), CTRL_ATTR_FAMILY_ID);
        if (id && id->size() == sizeof family)
            std::copy(id->begin(), id->end(), reinterpret_cast<char *>(&family));
    });
    if (!done)
        return done.error();
    return family;
}

/// Ids of the threads, by the kernel's own list of the interface's NAPIs.
Result<std::vector<pid_t>> list_by_netlink(const bmc::Interface &interface)
{
    const auto family = find_family(netdev_family, sizeof netdev_family);
    if (!family)
        return family.error();
    NetlinkRequest request = generic(*family, netdev_cmd_napi_get, NLM_F_DUMP);
    request.add(netdev_a_napi_ifindex, bytes_of(interface.index));

    std::vector<std::pair<uint32_t, pid_t>> found; // with the NAPI's id, to be sorted by it
    const Status done = exchange(NETLINK_GENERIC, request, [&](std::span<const char> message) {
        const auto attributes = message.subspan(GENL_HDRLEN);
        const auto id = find_u32(attributes, netdev_a_napi_id);
        const auto pid = find_u32(attributes, netdev_a_napi_pid);
        if (id && pid && find_u32(attributes, netdev_a_napi_ifindex) == interface.index)
            found.emplace_back(*id, static_cast<pid_t>(*pid));
    });
    if (!done)
        return done.error();
    std::sort(found.begin(), found.end());

    std::vector<pid_t> pids;
    for (const auto &[id, pid] : found)
        pids.push_back(pid);
    return pids;
}

std::vector<pid_t> list_by_name(const bmc::Interface &interface)
{
    const std::string prefix = fmt::format("napi/{}-", interface.name);
    std::error_code code;
    std::vector<pid_t> pids;

    for (const auto &entry : std::filesystem::directory_iterator("/proc", code)) {
        const std::string text = entry.path().filename();
        pid_t pid = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), pid).ec != std::errc{})
            continue;
        if (const auto name = thread_name(pid); name && name->starts_with(prefix))
            pids.push_back(pid);
    }
    std::sort(pids.begin(), pids.end());
    return pids;
}

/// A sysfs of this network namespace: a mount shows the interfaces of the
/// namespace in which it was made. This one is in nobody's tree, and goes with
/// its descriptor.
Result<Fd> open_sysfs()
{
    const Fd context(fsopen("sysfs", FSOPEN_CLOEXEC));

    if (!context || fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return system_error("open", "sysfs", errno);
    Fd mount(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
    if (!mount)
        return system_error("mount", "sysfs", errno);
    return mount;
}

} // namespace

Status set_threaded(const bmc::Interface &interface, bool threaded)
{
    const auto sysfs = open_sysfs();
    if (!sysfs)
        return sysfs.error();
    const std::string path = fmt::format("class/net/{}/threaded", interface.name);
    const Fd file(openat(sysfs->get(), path.c_str(), O_WRONLY | O_CLOEXEC));

    if (!file || write(file.get(), threaded ? "1" : "0", 1) != 1)
        return system_error("write", "/sys/" + path, errno);
    return Done{};
}

Result<std::vector<NapiThread>> napi_threads(const bmc::Interface &interface)
{
    auto pids = list_by_netlink(interface);
    if (!pids && pids.error().code != ENOENT && pids.error().code != EOPNOTSUPP)
        return pids.error();

    std::vector<NapiThread> threads;
    for (const pid_t pid : pids ? *pids : list_by_name(interface)) {
        auto name = thread_name(pid);
        if (!name)
            return name.error();
        threads.push_back({pid, std::move(*name)});
    }
    return threads;
}

Status pin(const NapiThread &thread, int cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(static_cast<size_t>(cpu), &cpus);
    if (sched_setaffinity(thread.pid, sizeof cpus, &cpus) != 0)
        return system_error("pin", fmt::format("{} to CPU {}", thread.name, cpu), errno);
    return Done{};
}

Status set_realtime(const NapiThread &thread)
{
    sched_param parameters = {};

    parameters.sched_priority = sched_get_priority_min(SCHED_FIFO);
    if (sched_setscheduler(thread.pid, SCHED_FIFO, &parameters) != 0)
        return system_error("give real-time priority to", thread.name, errno);
    return Done{};
}

} // namespace trafficgen
