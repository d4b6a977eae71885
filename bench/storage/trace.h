// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_STORAGE_TRACE_H
#define BENCH_STORAGE_TRACE_H

#include "bench/runner/workload.h"

#include <cstdint>
#include <string>
#include <vector>

namespace storage
{

/// A sequence of gets: keys and sizes of a workload (its SETs left out), and what makes
/// life hard for a cache.
struct Scenario {
    runner::Workload workload;
    double sweep_share = 0;          ///< share of gets that walk all keys in order, once and again
    bool shift = false;              ///< half-way, popularity goes over to other keys
    std::vector<std::string> same{}; ///< workloads that are the same to a cache
};

/// The scenarios that are always there, then one for each workload that is not the same
/// as an earlier one and has values that an entry can hold; all with this many keys.
std::vector<Scenario> scenarios(const std::vector<runner::Workload> &workloads, uint64_t keys);

/// Keys in the order of the gets; the same for the same arguments.
std::vector<uint32_t> make_trace(const Scenario &scenario, uint64_t requests, uint64_t seed);

} // namespace storage

#endif
