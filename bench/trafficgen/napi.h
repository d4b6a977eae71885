// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_NAPI_H
#define BENCH_TRAFFICGEN_NAPI_H

#include "bench/loadgen/result.h"
#include "bmc/lib/interface.h"

#include <string>
#include <sys/types.h>
#include <vector>

namespace trafficgen
{

using namespace loadgen;

/// A kernel thread that polls a receive queue of an interface.
struct NapiThread {
    pid_t pid;
    std::string name; ///< "napi/veth0-8193"
};

/// Switches an interface of the current network namespace between threaded NAPI
/// and soft interrupts, which run on whichever CPU the sender happens to be on.
Status set_threaded(const bmc::Interface &interface, bool threaded);

/// The threads of an interface whose NAPI is threaded, by queue; none if it has
/// no NAPI now: veth has it while its end runs an XDP program or has GRO on, and
/// makes new ones when the program changes. Before Linux 6.8 they are found by name,
/// together with those of interfaces of that name in other namespaces.
Result<std::vector<NapiThread>> napi_threads(const bmc::Interface &interface);

/// Lets a thread run on this CPU only.
Status pin(const NapiThread &thread, int cpu);

/// Has a thread run before all others of its CPU but those of the same kind
/// (SCHED_FIFO, lowest priority).
Status set_realtime(const NapiThread &thread);

} // namespace trafficgen

#endif
