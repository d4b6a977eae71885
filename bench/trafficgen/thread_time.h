// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_THREAD_TIME_H
#define BENCH_TRAFFICGEN_THREAD_TIME_H

#include "bench/loadgen/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace trafficgen
{

using namespace loadgen;

/// A thread, or with tid 0 all threads that a process has at the moment.
struct ThreadName {
    pid_t pid;
    pid_t tid;
};

/// Reads PID or PID/TID.
Result<ThreadName> parse_thread(std::string_view text);

/// CPU time that these threads have used so far, kernel threads too, in
/// nanoseconds: the first field of /proc/PID/task/TID/schedstat, the scheduler's
/// own sum. Of a thread that runs at this moment it lacks what it used since the
/// last clock tick. Fails if there is no such thread.
Result<int64_t> cpu_time_ns(const std::vector<ThreadName> &threads);

} // namespace trafficgen

#endif
