// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_CHECK_H
#define BMC_LIB_CHECK_H

#include <chrono>
#include <string>
#include <vector>

#include "bmc/lib/attach.h"
#include "bmc/lib/features.h"

namespace bmc
{

enum class Verdict {
    ok,
    warning, ///< attach would succeed, but something is missing or will be slow
    fail,    ///< attach would fail, or no get would be answered
};

/// "ok", "warning", "fail"
const char *verdict_name(Verdict verdict);

/// What was found out about one thing.
struct Finding {
    std::string name; ///< of the thing: "kernel", "XDP of eth0"
    Verdict verdict = Verdict::ok;
    std::string message; ///< what was found
    std::string advice;  ///< what to do; may be empty
};

using Findings = std::vector<Finding>;

/// The finding that an error makes.
Finding failed(std::string name, const Error &error);

/// How long the origin's answers over UDP are waited for.
constexpr std::chrono::milliseconds origin_wait{500};

/// Finds out whether attach() with these options would succeed and gets be answered
/// here, in the current network namespace. Attaches and pins nothing; asks an origin
/// for its version.
Findings check_host(const AttachOptions &options, const Features &features);

/* The parts of it. */

/// Kernel, its BPF features one by one, privileges, BPF file system, memory, and
/// whether the instance is there.
Findings check_machine(const AttachOptions &options, const Features &features);

/// The interfaces with what is attached to them already, the addresses and ports.
Findings check_network(const AttachOptions &options, const Features &features);

/// The origin of the instance, and memcached at these addresses and ports.
Findings check_origin(const AttachOptions &options, const std::vector<Address> &addresses);

/// The same of a stock memcached, and what it takes to watch that.
Findings check_stock(const AttachOptions &options, const Features &features);

} // namespace bmc

#endif
