// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/check.h"

#include <cerrno>
#include <charconv>
#include <fstream>
#include <string_view>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fcntl.h>
#include <fmt/format.h>

#include "bmc/lib/instance.h"
#include "bmc/lib/memory.h"
#include "bmc/lib/plan.h"
#include "bmc/lib/upgrade.h"

namespace bmc
{

namespace
{

/// The oldest version of Linux that bmc is written for.
constexpr unsigned oldest_major = 6;
constexpr unsigned oldest_minor = 1;

constexpr const char *jit_switch = "/proc/sys/net/core/bpf_jit_enable";

Finding check_kernel()
{
    utsname name = {};
    unsigned major = 0;
    unsigned minor = 0;

    uname(&name);
    const std::string_view release(name.release);
    const char *const end = release.data() + release.size();
    const auto after = std::from_chars(release.data(), end, major);
    if (after.ec == std::errc() && after.ptr != end && *after.ptr == '.')
        std::from_chars(after.ptr + 1, end, minor);
    const std::string message = fmt::format("Linux {}", release);
    if (major < oldest_major || (major == oldest_major && minor < oldest_minor))
        return {
            "kernel", Verdict::warning, message,
            fmt::format("bmc is written for Linux {}.{} and newer", oldest_major, oldest_minor)};
    return {"kernel", Verdict::ok, message, ""};
}

Finding check_btf(const Features &features)
{
    if (const Status btf = features.btf(); !btf)
        return failed("BTF", btf.error());
    return {"BTF", Verdict::ok, "the kernel describes its types", ""};
}

/// Nothing if this process may not know.
void check_jit(Findings &findings)
{
    std::ifstream file(jit_switch);
    int enabled = 0;

    if (!(file >> enabled))
        return;
    if (enabled == 0)
        findings.push_back({"JIT", Verdict::warning,
                            "BPF programs are interpreted, which takes many times as long",
                            "`sysctl net.core.bpf_jit_enable=1`"});
    else
        findings.push_back({"JIT", Verdict::ok, "BPF programs are compiled", ""});
}

Finding check_privileges(const Features &features)
{
    if (const Status privilege = features.privilege(Work::attach); !privilege)
        return failed("privileges", privilege.error());
    return {"privileges", Verdict::ok, "BPF programs may be loaded and attached", ""};
}

Finding check_bpffs(const AttachOptions &options, const Features &features)
{
    if (const Status bpffs = features.bpffs(); !bpffs)
        return failed("BPF file system", bpffs.error());

    /* The folder of all instances, or the one that it would be made in. */
    const std::string &root = options.pin_root;
    const std::string folder = exists(root) ? root : root.substr(0, root.find_last_of('/'));
    struct stat info = {};
    if (stat(folder.c_str(), &info) != 0)
        return failed("BPF file system", {"examine the folder", folder, errno, {}, {}});
    if (folder == root && info.st_uid != geteuid())
        return {"BPF file system", Verdict::fail,
                fmt::format("{} belongs to user {}", folder, info.st_uid), "run as that user"};
    if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
        return failed("BPF file system",
                      {"write to the folder",
                       folder,
                       errno,
                       "run as its owner, or mount a BPF file system that this user may write to",
                       {}});
    return {"BPF file system", Verdict::ok, fmt::format("pins go to {}", root), ""};
}

/// Whether members of the group will get to the pins.
void check_group(const AttachOptions &options, const Features &features, Findings &findings)
{
    if (!options.group)
        return;
    const std::string &name = options.group->name;
    const std::string root = options.pin_root.substr(0, options.pin_root.find_last_of('/'));
    struct stat info = {};
    if (!features.may_give_to(options.group->id))
        findings.push_back({"group", Verdict::fail,
                            fmt::format("this process may not give files to '{}'", name),
                            "run as a member of it, or with CAP_CHOWN"});
    else if (stat(root.c_str(), &info) == 0 && (info.st_mode & S_IXOTH) == 0)
        findings.push_back({"group", Verdict::warning,
                            fmt::format("its members may not pass through {}", root),
                            fmt::format("`chmod 711 {}`; bmc(8) has how to make it last", root)});
    else
        findings.push_back(
            {"group", Verdict::ok, fmt::format("members of '{}' may read the instance", name), ""});
}

void check_features(const Features &features, Findings &findings)
{
    if (!features.privilege(Work::attach)) {
        findings.push_back(
            {"BPF features", Verdict::warning, "not examined: that takes the privileges, too", ""});
        return;
    }
    for (const KernelFeature &feature : Features::kernel_features()) {
        if (feature.present)
            findings.push_back({"BPF", Verdict::ok, feature.name, ""});
        else
            findings.push_back({"BPF", Verdict::fail,
                                fmt::format("the kernel has no {}", feature.name),
                                fmt::format("Linux {} and newer has it", feature.since)});
    }
}

Finding check_budget(const AttachOptions &options)
{
    if (is_instance(instance_folder(options.pin_root, options.instance)))
        return {"memory", Verdict::ok, "the instance has it already", ""};
    const auto available = available_memory();
    if (!available)
        return failed("memory", available.error());
    if (const Status fits = check_memory(options.memory, *available); !fits)
        return failed("memory", fits.error());
    return {"memory", Verdict::ok,
            fmt::format("{} for the cache, of {} M that this machine can give",
                        format_size(options.memory), *available >> 20),
            ""};
}

/// Whether attach would upgrade the instance that is there.
Finding check_upgrade(const AttachOptions &options, const Features &features,
                      const std::string &folder)
{
    if (!features.privilege(Work::detach))
        return {"instance", Verdict::warning,
                fmt::format("'{}' is attached; not examined: that takes the privileges, too",
                            options.instance),
                ""};
    const auto existing = read_existing(folder);
    if (!existing)
        return failed("instance", existing.error());
    if (!*existing)
        return {"instance", Verdict::warning,
                fmt::format("another version of bmc has attached '{}', with another layout of its "
                            "memory: it would be attached anew, with an empty cache",
                            options.instance),
                "after that, restart memcached-sr"};
    /* What else is wrong with the options is said elsewhere. */
    if (const auto plan = make_plan(options, features))
        if (const Status same = check_same(**existing, options, *plan); !same)
            return failed("instance", same.error());
    return {"instance", Verdict::ok,
            fmt::format("'{}' is attached, and would be upgraded", options.instance), ""};
}

Finding check_instance(const AttachOptions &options, const Features &features)
{
    const std::string folder = instance_folder(options.pin_root, options.instance);

    if (is_instance(folder))
        return check_upgrade(options, features, folder);
    if (exists(folder))
        return {"instance", Verdict::fail,
                fmt::format("the folder {} is there, and bmc did not make it", folder),
                "remove it, or give another --instance"};
    return {"instance", Verdict::ok, fmt::format("'{}' is not attached yet", options.instance), ""};
}

} // namespace

const char *verdict_name(Verdict verdict)
{
    switch (verdict) {
    case Verdict::ok:
        return "ok";
    case Verdict::warning:
        return "warning";
    case Verdict::fail:
        break;
    }
    return "fail";
}

Finding failed(std::string name, const Error &error)
{
    Error without_hint = error;

    without_hint.hint.clear();
    return {std::move(name), Verdict::fail, without_hint.line(), error.hint};
}

Findings check_machine(const AttachOptions &options, const Features &features)
{
    Findings findings = {check_kernel(), check_btf(features)};

    check_jit(findings);
    findings.push_back(check_privileges(features));
    findings.push_back(check_bpffs(options, features));
    check_group(options, features, findings);
    check_features(features, findings);
    findings.push_back(check_budget(options));
    findings.push_back(check_instance(options, features));
    return findings;
}

Findings check_host(const AttachOptions &options, const Features &features)
{
    Findings findings = check_machine(options, features);
    const auto add = [&findings](Findings more) {
        findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                        std::make_move_iterator(more.end()));
    };

    add(check_network(options, features));
    if (options.interfaces.empty() && options.addresses.empty())
        return findings;
    if (const auto addresses = plan_addresses(options, vlan_devices()))
        add(check_origin(options, *addresses));
    return findings;
}

} // namespace bmc
