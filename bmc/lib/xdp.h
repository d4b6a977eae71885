// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_XDP_H
#define BMC_LIB_XDP_H

#include <cstdint>

#include "bmc/lib/fd.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Where an XDP program runs: in the driver, or in the stack before all else.
/// The values are stored in the instance's record.
enum class XdpMode : uint32_t { native = 1, generic = 2 };

/// What was asked for; automatic is native, or generic if the driver has none.
enum class XdpChoice { automatic, native, generic };

const char *mode_name(XdpMode mode);

struct XdpLink {
    Fd link;
    XdpMode mode = XdpMode::native;
};

/// Attaches an XDP program by a BPF link, which lives as long as its descriptor
/// or a pin of it. Never replaces another program: that is an error.
Result<XdpLink> attach_xdp(int program, const Interface &interface, XdpChoice choice);

} // namespace bmc

#endif
