// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_SAMPLES_H
#define BMC_LIB_SAMPLES_H

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bmc/abi/layout.h"
#include "bmc/abi/sample.h"
#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Latencies of sampled gets that went up and were answered by the origin.
struct Latency {
    std::array<uint64_t, BMC_LATENCY_BUCKETS> count = {}; ///< as in struct bmc_latency
    uint64_t sum_us = 0;

    uint64_t total() const;

    /// Microseconds, a power of two, below which at least this share of them was (0 < share
    /// <= 1); none if there are none.
    std::optional<uint64_t> below(double share) const;

    /// Those that came since `before`, an earlier reading.
    Latency since(const Latency &before) const;
};

/// Keys of the last sampled hits, with how many of them each has.
using SampledKeys = std::map<std::string, uint64_t>;

/// What the kernel programs of an instance have sampled.
struct Samples {
    SampledKeys keys;
    Latency latency; ///< since attach
};

/// Reads the samples of one instance as often as is wanted.
class SampleReader
{
  public:
    /// Needs the privilege to open the instance's maps.
    static Result<SampleReader> open(const std::string &instance,
                                     const std::string &pin_root = BMC_PIN_ROOT);

    Result<Samples> read() const;
    Result<Latency> read_latency() const;

  private:
    SampleReader() = default;

    Result<SampledKeys> read_keys() const;

    std::string folder_;
    std::array<__u64, 2> seed_ = {};
    size_t cpus_ = 0;
    Fd keys_;
    Fd latency_;
};

} // namespace bmc

#endif
