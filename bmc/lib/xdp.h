// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_XDP_H
#define BMC_LIB_XDP_H

#include "bmc/lib/fd.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/mode.h"
#include "bmc/lib/result.h"

namespace bmc
{

struct XdpLink {
    Fd link;
    Mode mode = Mode::native;
};

/// Attaches an XDP program by a BPF link, which lives as long as its descriptor
/// or a pin of it. Never replaces another program: that is an error. The choice
/// is one of those with XDP.
Result<XdpLink> attach_xdp(int program, const Interface &interface, ModeChoice choice);

} // namespace bmc

#endif
