// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/metrics.h"

#include <cstdint>
#include <limits>
#include <vector>

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace bmc
{

namespace
{

/// Not "instance": Prometheus gives that to the host and port that it scrapes.
constexpr const char *instance_label = "bmc_instance";

prometheus::MetricFamily family(const Stats &stats, prometheus::MetricType type, std::string name,
                                std::string_view help, double value)
{
    prometheus::ClientMetric metric;

    metric.label.push_back({instance_label, stats.instance});
    /* The serializer takes the one that the type names. */
    metric.counter.value = value;
    metric.gauge.value = value;
    return {std::move(name), std::string(help), type, {std::move(metric)}};
}

prometheus::MetricFamily histogram(const Stats &stats, const Latency &latency)
{
    constexpr double microseconds = 1e6;
    prometheus::ClientMetric metric;
    uint64_t seen = 0;

    metric.label.push_back({instance_label, stats.instance});
    for (size_t i = 0; i < latency.count.size(); i++) {
        seen += latency.count[i];
        metric.histogram.bucket.push_back(
            {seen, static_cast<double>(uint64_t{1} << i) / microseconds});
    }
    metric.histogram.bucket.push_back({seen, std::numeric_limits<double>::infinity()});
    metric.histogram.sample_count = seen;
    metric.histogram.sample_sum = static_cast<double>(latency.sum_us) / microseconds;
    return {"bmc_miss_latency_seconds",
            fmt::format("time that gets which went up took, of one in {}", BMC_MISSES_PER_SAMPLE),
            prometheus::MetricType::Histogram,
            {std::move(metric)}};
}

} // namespace

std::string metrics_text(const Stats &stats, const Latency &latency)
{
    using prometheus::MetricType;
    std::vector<prometheus::MetricFamily> families;

    for (size_t i = 0; i < counter_infos.size(); i++)
        families.push_back(family(stats, MetricType::Counter,
                                  fmt::format("bmc_{}_total", counter_infos[i].name),
                                  counter_infos[i].help, static_cast<double>(stats.counters[i])));
    families.push_back(family(stats, MetricType::Gauge, "bmc_memory_bytes",
                              "memory of clocks, grants and buckets",
                              static_cast<double>(stats.memory_bytes)));
    families.push_back(family(stats, MetricType::Gauge, "bmc_generation",
                              "generation, which starts of the origin and flushes advance",
                              static_cast<double>(stats.generation)));
    families.push_back(family(stats, MetricType::Gauge, "bmc_origin_attached",
                              "1 if a memcached-sr is the origin of the instance, 0 otherwise",
                              stats.origin_alive ? 1 : 0));
    families.push_back(histogram(stats, latency));
    return prometheus::TextSerializer().Serialize(families);
}

} // namespace bmc
