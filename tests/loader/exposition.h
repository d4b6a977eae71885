// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_LOADER_EXPOSITION_H
#define BMC_TESTS_LOADER_EXPOSITION_H

#include <map>
#include <string>
#include <vector>

namespace bmc::test
{

/// A sample of a metric in Prometheus' text format.
struct Sample {
    std::map<std::string, std::string> labels;
    double value = 0;
    std::string suffix{}; ///< of a histogram: "_bucket", "_sum" or "_count"
};

/// A metric with everything that was said about it.
struct Metric {
    std::string help;
    std::string type;
    std::vector<Sample> samples;
};

/// Reads text of the Prometheus format 0.0.4 ("Exposition formats" in its
/// documentation), as far as it is about counters, gauges and histograms, and more strictly than
/// Prometheus does: each metric has its help, its type and then all of its samples;
/// names of counters end in _total; no sample comes twice, none is missing, and none
/// has a timestamp. Throws Error with the line that is not so.
std::map<std::string, Metric> parse_exposition(const std::string &text);

} // namespace bmc::test

#endif
