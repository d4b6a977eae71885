// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_DETACH_H
#define BMC_CLI_DETACH_H

#include <string>

#include "bmc/lib/detach.h"

namespace bmc::cli
{

/// Says what was detached.
void report(const Detached &detached, const std::string &instance);

} // namespace bmc::cli

#endif
