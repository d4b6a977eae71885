// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_LOAD_H
#define BENCH_LOADGEN_LOAD_H

#include "bench/loadgen/worker.h"

namespace loadgen
{

/// Stores every key once, over TCP. Fails if one is not stored.
Status store_keys(Run &run);

/// Fails unless a get over UDP is answered.
Status probe_udp(const Run &run);

/// Runs all threads for the time given, with a progress line on stderr if
/// `progress` is true, and adds up what they counted.
Result<Tally> run_load(Run &run, bool progress);

} // namespace loadgen

#endif
