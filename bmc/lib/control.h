// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_CONTROL_H
#define BMC_LIB_CONTROL_H

#include <string>

#include "bmc/abi/layout.h"
#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Reads the control map of an instance's folder, open already or not; an error if
/// a bmc with another layout of the shared memory made it.
Result<bmc_control> load_control(const Fd &map, const std::string &folder);
Result<bmc_control> load_control(const std::string &folder);

} // namespace bmc

#endif
