// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_METRICS_H
#define BMC_LIB_METRICS_H

#include <string>

#include "bmc/lib/samples.h"
#include "bmc/lib/stats.h"

namespace bmc
{

/// The media type of what metrics_text() returns.
constexpr const char *metrics_media_type = "text/plain; version=0.0.4; charset=utf-8";

/// Statistics in the text format of Prometheus, version 0.0.4: every counter of
/// abi/counters.h as bmc_NAME_total, the gauges bmc_memory_bytes, bmc_generation and
/// bmc_origin_attached, and the histogram bmc_miss_latency_seconds, each with the name of
/// the instance as the label `bmc_instance`.
std::string metrics_text(const Stats &stats, const Latency &latency);

} // namespace bmc

#endif
