// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_LOAD_H
#define BENCH_TRAFFICGEN_LOAD_H

#include "bench/trafficgen/end_signals.h"
#include "bench/trafficgen/generator.h"
#include "bench/trafficgen/thread_time.h"

#include <optional>
#include <string>
#include <vector>

namespace trafficgen
{

struct Load {
    double seconds = 0;
    uint32_t batch = 64;
    double rate = 0;       ///< packets per second of all CPUs together; 0: no limit
    std::vector<int> cpus; ///< one thread on each; empty: one thread anywhere
    std::vector<ThreadName> server_threads;
};

/// What happened from the first packet until the last reply was counted.
struct Tally {
    uint64_t offered = 0;            ///< packets given to the interface
    std::optional<uint64_t> refused; ///< of these, not taken by it; nothing if unknown
    trafficgen_counters replies = {};
    double duration_s = 0; ///< for which packets were sent
    double server_cpu_s = 0;

    uint64_t accepted() const { return offered - refused.value_or(0); }
    /// Replies, each once however many datagrams it has.
    uint64_t answered() const { return replies.frames - replies.further; }
};

/// Sends for the time given, or until a signal, and waits for the last replies.
/// The interface needs a Sink. Prints a line per second on stderr if `progress`.
Result<Tally> run_load(const Generator &generator, const std::string &interface, const Load &load,
                       EndSignals &signals, bool progress);

} // namespace trafficgen

#endif
