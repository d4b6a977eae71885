// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_CONFIG_H
#define BMC_LIB_CONFIG_H

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bmc/abi/config.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/memory.h"
#include "bmc/lib/mode.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// What the host takes or refuses beside addresses and ports.
struct Surroundings {
    std::vector<VlanDevice> vlans;    ///< on top of the interfaces
    std::vector<uint32_t> broadcast4; ///< network byte order
};

/// The error for more of something than the kernel programs hold.
Error too_many(std::string_view what, size_t limit, std::string_view option);

/// Builds the configuration that the kernel programs are loaded with. An error
/// if there is none, or more than the programs hold, of interfaces, ports or
/// addresses, or if an interface hides the tags of its VLANs from XDP (TC sees
/// them: `mode`). Ports are in host byte order. What is named twice counts once.
Result<bmc_config> make_config(const std::vector<Interface> &interfaces,
                               const std::vector<uint16_t> &ports,
                               const std::vector<Address> &addresses, const MemorySplit &split,
                               const Surroundings &surroundings = {},
                               ModeChoice mode = ModeChoice::automatic);

} // namespace bmc

#endif
