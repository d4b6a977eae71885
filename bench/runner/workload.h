// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_RUNNER_WORKLOAD_H
#define BENCH_RUNNER_WORKLOAD_H

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace runner
{

/// What clients ask for: a file of bench/workloads. Its fields have these names; those
/// with a default may be left out.
struct Workload {
    std::string name;   ///< as the file's, without .json
    std::string what;   ///< one line for people
    std::string source; ///< of the distributions
    uint64_t keys = 0;
    uint32_t key_size = 0;
    std::string value_size;            ///< as bmc-loadgen --value-size
    std::string distribution = "zipf"; ///< as bmc-loadgen --distribution
    double theta = 0.99;               ///< of zipf
    double set_ratio = 0;
    uint32_t keys_per_get = 1;
    double memory_share = 0; ///< memory of bmc by that of the replies' text; 0: all fit
};

/// Reads a workload. Throws bmc::test::Error with one line if the file cannot be
/// read, is no JSON, lacks a field, has one that is not known or one of the wrong kind.
Workload read_workload(const std::string &path);

/// All workloads of a folder, sorted by name.
std::vector<Workload> read_workloads(const std::string &folder);

/// The options of bmc-loadgen for its content and choice of keys.
std::vector<std::string> loadgen_arguments(const Workload &workload);

/// The same for bmc-trafficgen generate, which sends gets only.
std::vector<std::string> trafficgen_arguments(const Workload &workload);

/// Bytes of text of all keys' replies, about.
uint64_t text_bytes(const Workload &workload);

/// --memory for bmc: by memory_share, at least the smallest it takes, or, if all are to
/// fit, with room to spare.
std::string memory_for(const Workload &workload);

nlohmann::ordered_json to_json(const Workload &workload);

} // namespace runner

#endif
