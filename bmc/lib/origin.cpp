// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/origin.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <fmt/format.h>

#include "bmc/abi/layout.h"
#include "bmc/lib/folder_locks.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/pins.h"

namespace bmc
{

namespace
{

/// The path by which a process has the folder open; nothing if it has not, or
/// may not be asked. Of a folder without a name it ends in " (deleted)".
std::optional<std::string> open_path(uint32_t pid, FolderId folder)
{
    const std::string descriptors = fmt::format("/proc/{}/fd", pid);
    const auto names = list_folder(descriptors);

    if (!names)
        return std::nullopt;
    for (const std::string &name : *names) {
        const std::string link = fmt::format("{}/{}", descriptors, name);
        std::string target(PATH_MAX, '\0');

        if (identify(link) != folder)
            continue;
        const ssize_t size = readlink(link.c_str(), target.data(), target.size());
        target.resize(size < 0 ? 0 : static_cast<size_t>(size));
        return target;
    }
    return std::nullopt;
}

bool ended(const Fd &process)
{
    pollfd wanted = {process.get(), POLLIN, 0};

    return poll(&wanted, 1, 0) == 1;
}

/// The origin with this pid, by its own word.
Origin identify_origin(uint32_t pid, const std::string &folder)
{
    Origin origin;

    origin.pid = pid;
    if (pid == 0)
        return origin;
    /* glibc 2.36 declares pidfd_open() without C linkage. */
    Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    const auto id = identify(folder);
    /* The pid may mean somebody else here. */
    if (process && id && open_path(pid, *id))
        origin.process = std::move(process);
    return origin;
}

Result<Fd> open_control(const std::string &folder)
{
    return open_map(folder + "/" BMC_PIN_CONTROL, BPF_MAP_TYPE_ARRAY, sizeof(bmc_control));
}

Result<bmc_control> read_control(const Fd &map, const std::string &folder)
{
    bmc_control control = {};

    BMC_TRY(read_first(map, folder + "/" BMC_PIN_CONTROL, &control));
    return control;
}

std::vector<uint32_t> all_pids()
{
    const auto names = list_folder("/proc");
    std::vector<uint32_t> pids;

    if (!names)
        return pids;
    for (const std::string &name : *names) {
        uint32_t pid = 0;
        const char *const end = name.data() + name.size();
        const auto [stop, failure] = std::from_chars(name.data(), end, pid);
        if (failure == std::errc() && stop == end)
            pids.push_back(pid);
    }
    return pids;
}

} // namespace

std::string Origin::text() const
{
    if (pid == 0)
        return "a memcached-sr that starts";
    return fmt::format("memcached-sr with pid {}{}", pid,
                       process ? "" : " (not seen from here: another pid namespace?)");
}

std::optional<Origin> find_origin(const std::string &folder)
{
    if (!origin_holds(folder))
        return std::nullopt;

    const auto map = open_control(folder);
    const auto control = map ? read_control(*map, folder) : map.error();
    return identify_origin(control ? control->origin_pid : 0, folder);
}

std::vector<uint32_t> orphaned_origins(const std::string &root, const std::string &name)
{
    const std::string former = detaching_folder(root, name) + " (deleted)";
    const auto root_id = identify(root);
    std::vector<uint32_t> found;

    if (!root_id)
        return found;
    std::vector<FolderId> locked = locked_folders(root_id->device);
    /* Mostly nothing is left now, and no process has to be looked at. */
    std::erase(locked, *root_id);
    if (const auto names = list_folder(root))
        for (const std::string &entry : *names)
            if (const auto id = identify(root + "/" + entry))
                std::erase(locked, *id);
    if (locked.empty())
        return found;

    for (const uint32_t pid : all_pids())
        if (std::any_of(locked.begin(), locked.end(),
                        [&](FolderId folder) { return open_path(pid, folder) == former; }))
            found.push_back(pid);
    return found;
}

Result<OriginWatch> OriginWatch::open(const std::string &folder)
{
    auto control = open_control(folder);

    if (!control)
        return control.error();
    return OriginWatch(folder, std::move(*control));
}

Result<OriginWatch::Change> OriginWatch::look()
{
    const auto control = read_control(control_, folder_);
    if (!control)
        return control.error();

    if (alive_) {
        const bool gone = origin_.process
                              ? ended(origin_.process)
                              : control->origin_pid != origin_.pid || !origin_holds(folder_);
        alive_ = !gone;
        return gone ? Change::ended : Change::none;
    }

    /*
     * Looking at the lock takes it for an instant, in which a memcached-sr that
     * starts would be refused. It writes its pid after it has got the lock.
     */
    if (control->origin_pid == 0 || control->generation == unheld_)
        return Change::none;
    if (!origin_holds(folder_)) {
        unheld_ = control->generation;
        return Change::none;
    }
    origin_ = identify_origin(control->origin_pid, folder_);
    alive_ = true;
    return Change::started;
}

} // namespace bmc
