// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/cpu_time.h"

#include <cerrno>
#include <ctime>
#include <fmt/format.h>

namespace loadgen
{

Result<int64_t> cpu_time_ns(pid_t pid)
{
    // The scheduler's own sum, which /proc/PID/stat shows in ticks of 10 ms.
    clockid_t clock{};
    int code = clock_getcpuclockid(pid, &clock);
    timespec time{};

    if (code == 0 && clock_gettime(clock, &time) != 0)
        code = errno;
    if (code != 0)
        return system_error("read the CPU time of", fmt::format("process {}", pid), code);
    return time.tv_sec * INT64_C(1'000'000'000) + time.tv_nsec;
}

} // namespace loadgen
