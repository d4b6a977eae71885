// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_DETACH_H
#define BMC_CLI_DETACH_H

#include <functional>
#include <string>

#include "bmc/lib/detach.h"

namespace bmc::cli
{

/// Says what was detached.
void report(const Detached &detached, const std::string &instance);

/// Says, if it takes longer than a second, what a detach waits for, and goes on waiting
/// as long as `patient` says.
Waiting wait_and_say(std::function<bool()> patient);

} // namespace bmc::cli

#endif
