// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_OPTIONS_H
#define BENCH_LOADGEN_OPTIONS_H

#include "bench/loadgen/content.h"
#include "bench/loadgen/key_choice.h"
#include "bench/loadgen/schedule.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <sys/types.h>
#include <vector>

namespace loadgen
{

/// What the user asked for, with the defaults.
struct Options {
    std::string server = "127.0.0.1";
    uint16_t port = 11211;
    uint16_t udp_port = 0; // 0: the same as port

    uint64_t keys = 100000;
    uint32_t key_size = 16;
    std::string value_size = "32";

    double seconds = 5;
    uint32_t threads = 1;
    uint32_t sockets = 4;
    uint32_t outstanding = 16;
    uint32_t timeout_ms = 500;
    std::string distribution = "zipf";
    double theta = 0.99;
    double hot_keys = 0.1;  // share of the keys, with hot-set
    double hot_share = 0.9; // share of the requests for them
    uint32_t keys_per_get = 1;
    uint64_t requests = 0; // the run ends after so many; 0: after `seconds` only
    double set_ratio = 0;
    bool stored = false; // by an earlier run; none are stored before this one
    double rate = 0;     // requests per second; 0: closed loop
    std::string arrivals = "fixed";
    uint64_t seed = 1;
    std::vector<pid_t> server_pids;

    bool strict = false;
    std::string json; // file, or - for stdout; empty: a table
    bool quiet = false;
};

/// Declares the command line; parsing writes to `options`, which must outlive
/// the app.
void declare_options(CLI::App &app, Options &options);

/// The options as they stand in a report.
nlohmann::json to_json(const Options &options);

KeyChoice key_choice(const Options &options);

} // namespace loadgen

#endif
