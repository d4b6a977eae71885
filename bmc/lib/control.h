// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_CONTROL_H
#define BMC_LIB_CONTROL_H

#include <cstdint>
#include <string>
#include <vector>

#include "bmc/abi/layout.h"
#include "bmc/lib/fd.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Reads the control map of an instance's folder, open already or not; an error if
/// a bmc with another layout of the shared memory made it.
Result<bmc_control> load_control(const Fd &map, const std::string &folder);
Result<bmc_control> load_control(const std::string &folder);

/// Where an instance answers. Ports are in host byte order.
std::vector<uint16_t> served_ports(const bmc_served &served);
std::vector<Address> served_addresses(const bmc_served &served);

} // namespace bmc

#endif
