// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_CPU_TIME_H
#define BENCH_LOADGEN_CPU_TIME_H

#include "bench/loadgen/result.h"

#include <cstdint>
#include <sys/types.h>

namespace loadgen
{

/// CPU time that all threads of a process have used so far, in nanoseconds.
/// Fails if there is no such process.
Result<int64_t> cpu_time_ns(pid_t pid);

} // namespace loadgen

#endif
