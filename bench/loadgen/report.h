// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_REPORT_H
#define BENCH_LOADGEN_REPORT_H

#include "bench/loadgen/options.h"
#include "bench/loadgen/worker.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace loadgen
{

/// The report as JSON; times in microseconds unless the name says otherwise.
/// ops_per_s counts replies and acknowledged SETs.
nlohmann::json report_json(const Options &options, const Tally &tally);

/// The report as a table for people.
std::string report_table(const Options &options, const Tally &tally);

/// The wrong replies kept, each with key, reason and bytes in hexadecimal;
/// empty if there are none.
std::string describe_wrong(const Tally &tally);

/// Sixteen bytes a line: offset, hexadecimal, printable characters.
std::string hex_dump(std::string_view bytes);

} // namespace loadgen

#endif
