// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/program_times.h"

#include "bmc/lib/pins.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <cerrno>
#include <filesystem>
#include <fmt/format.h>

namespace trafficgen
{

namespace
{

/// What bpf(2) gives out: maps, programs and links all alike.
bool is_program(int fd)
{
    std::error_code code;
    const auto target = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), code);

    return target == "anon_inode:bpf-prog";
}

} // namespace

Result<RunStatistics> RunStatistics::enable()
{
    Fd fd(bpf_enable_stats(BPF_STATS_RUN_TIME));

    if (!fd)
        return system_error("switch on", "the kernel's statistics of BPF programs", errno);
    return RunStatistics(std::move(fd));
}

Result<std::vector<ProgramTime>> read_programs(const std::string &folder)
{
    const auto names = bmc::list_folder(folder);
    if (!names)
        return names.error();

    std::vector<ProgramTime> found;
    for (const std::string &name : *names) {
        const auto pin = bmc::open_pin(folder + "/" + name);
        if (!pin)
            return pin.error();
        if (!is_program(pin->get()))
            continue;
        bpf_prog_info info = {};
        uint32_t size = sizeof info;
        if (bpf_obj_get_info_by_fd(pin->get(), &info, &size) != 0)
            return system_error("examine", folder + "/" + name, errno);
        found.push_back({name, info.run_cnt, info.run_time_ns, info.verified_insns,
                         info.xlated_prog_len, info.jited_prog_len});
    }
    return found;
}

std::vector<ProgramTime> difference(const std::vector<ProgramTime> &before,
                                    const std::vector<ProgramTime> &after)
{
    std::vector<ProgramTime> grown = after;

    for (ProgramTime &program : grown) {
        const auto same =
            std::find_if(before.begin(), before.end(),
                         [&program](const ProgramTime &b) { return b.name == program.name; });
        if (same == before.end())
            continue;
        program.runs -= same->runs;
        program.time_ns -= same->time_ns;
    }
    return grown;
}

} // namespace trafficgen
