// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/process.h"

#include <charconv>
#include <poll.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

#include "bmc/lib/pins.h"

namespace bmc
{

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

Fd open_process(uint32_t pid)
{
    /* glibc 2.36 declares pidfd_open() without C linkage. */
    return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

bool ended(const Fd &process)
{
    pollfd wanted = {process.get(), POLLIN, 0};

    return poll(&wanted, 1, 0) == 1;
}

} // namespace bmc
