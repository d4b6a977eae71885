// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_RUNNER_REPORT_H
#define BENCH_RUNNER_REPORT_H

#include "bench/runner/experiment.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace runner
{

/// CPU, kernel, date, load average before the run.
nlohmann::ordered_json machine_json();

/// A ratio with everything that is known of it. `value` is null, with a `reason`, if the
/// spread makes it meaningless or the measurement does not count.
nlohmann::ordered_json to_json(const Ratio &ratio);

/// The ratios as a table, one line each, and the rule by which values are withheld.
std::string ratio_table(const nlohmann::ordered_json &ratios);

/// The line above the table: the machine.
std::string describe_machine(const nlohmann::ordered_json &machine);

/// Draws the plots that the report has the figures for, as SVG files into the folder,
/// with the gnuplot scripts of bench/plots. Throws Error if one cannot be drawn.
void draw_plots(const nlohmann::ordered_json &report, const std::string &folder);

} // namespace runner

#endif
