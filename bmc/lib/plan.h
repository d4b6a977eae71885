// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_PLAN_H
#define BMC_LIB_PLAN_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bmc/abi/config.h"
#include "bmc/lib/attach.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Everything about an attach that can be found out before anything is changed.
struct Plan {
    std::vector<Interface> interfaces;
    std::vector<Address> addresses;
    MemorySplit split;
    bmc_config config = {};
    uint64_t network_namespace = 0;
    bool use_tcx = false;
};

/// The plan that the options lead to in the current network namespace, or why
/// there is none. Whether there is so much memory is not asked.
Result<Plan> make_plan(const AttachOptions &options, const Features &features);

/// The addresses that the options name, if this host has all of them; all that
/// the interfaces and the VLAN devices on top of them have, if none is named.
Result<std::vector<Address>> plan_addresses(const AttachOptions &options,
                                            const std::vector<VlanDevice> &vlans);

/// The instance under a folder of pins that serves this interface of this network
/// namespace already, if any.
Result<std::optional<std::string>> instance_at(const std::string &pin_root, uint32_t ifindex,
                                               uint64_t network_namespace);

} // namespace bmc

#endif
