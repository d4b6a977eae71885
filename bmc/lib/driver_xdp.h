// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_DRIVER_XDP_H
#define BMC_LIB_DRIVER_XDP_H

#include <cstdint>
#include <optional>

namespace bmc
{

/// What an interface's driver says about XDP.
struct DriverXdp {
    bool native = false;    ///< runs XDP programs
    bool fragments = false; ///< also on frames of more than one buffer
};

/// Asks the kernel, without attaching anything; nothing if it does not tell, as
/// before Linux 6.3, or there is no such interface in the current network namespace.
std::optional<DriverXdp> driver_xdp(uint32_t ifindex);

} // namespace bmc

#endif
