// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_GENERATOR_H
#define BENCH_TRAFFICGEN_GENERATOR_H

#include "bench/trafficgen/layout.h"
#include "bench/trafficgen/request.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

struct trafficgen_bpf; // the generated skeleton

namespace trafficgen
{

/// The kernel programs of the client's end, loaded; attached to nothing.
class Generator
{
  public:
    /// `draw` gives the index of a key; it is called TRAFFICGEN_SAMPLES times.
    /// Requests leave by the interface with this index.
    static Result<Generator> load(const Request &request, const trafficgen_sink &sink,
                                  uint32_t ifindex, const std::function<uint64_t()> &draw);

    /// Has the kernel give so many requests to the interface, from this CPU, a
    /// batch of at most max_batch at a time. Returns when the last is given. Threads
    /// may call it at once, on different CPUs.
    Status send(uint32_t packets, uint32_t batch) const;

    static constexpr uint32_t max_batch = 256; ///< TEST_XDP_MAX_BATCH in net/bpf/test_run.c

    /// What the sink has counted so far, on all CPUs.
    Result<trafficgen_counters> counters() const;

    /// Descriptors of the programs, owned by this object.
    int request_program() const;
    int sink_program() const;

  private:
    struct Destroy {
        void operator()(trafficgen_bpf *skeleton) const;
    };

    Generator(std::unique_ptr<trafficgen_bpf, Destroy> skeleton, uint32_t length)
        : skeleton_(std::move(skeleton)), length_(length)
    {
    }

    std::unique_ptr<trafficgen_bpf, Destroy> skeleton_;
    uint32_t length_;
};

} // namespace trafficgen

#endif
