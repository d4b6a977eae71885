// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_PROGRAM_TIMES_H
#define BENCH_TRAFFICGEN_PROGRAM_TIMES_H

#include "bench/loadgen/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace trafficgen
{

using namespace loadgen;

/// What the kernel tells of a BPF program.
struct ProgramTime {
    std::string name;
    uint64_t runs = 0; ///< since statistics were switched on or, of two, in between
    uint64_t time_ns =
        0; ///< of these runs, tail calls and the measuring itself (some 20 ns) included
    uint32_t verified_instructions = 0; ///< that the verifier walked at load
    uint32_t translated_bytes = 0;
    uint32_t machine_bytes = 0;
};

/// The kernel counts runs and time of all BPF programs while this lives (what
/// the sysctl kernel.bpf_stats_enabled does for good).
class RunStatistics
{
  public:
    static Result<RunStatistics> enable();

  private:
    explicit RunStatistics(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

/// The programs of an instance of bmc, sorted by name. Programs that others call
/// (stages) have no runs of their own: the kernel counts them with the entry.
Result<std::vector<ProgramTime>> read_programs(const std::string &folder);

/// What happened between two readings of the same programs.
std::vector<ProgramTime> difference(const std::vector<ProgramTime> &before,
                                    const std::vector<ProgramTime> &after);

} // namespace trafficgen

#endif
