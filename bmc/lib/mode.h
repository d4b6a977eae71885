// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_MODE_H
#define BMC_LIB_MODE_H

#include <cstdint>

namespace bmc
{

/// Which program sees an interface's packets first: XDP in the driver, XDP in
/// the stack before all else, or, without XDP, TC ingress. The values are stored
/// in the instance's record.
enum class Mode : uint32_t { native = 1, generic = 2, tc = 3 };

/// What was asked for; automatic is native, or tc if a driver has no XDP.
enum class ModeChoice { automatic, native, generic, tc };

/// As on the command line: "native".
const char *mode_name(Mode mode);

/// The choice of this mode, and as on the command line: "auto".
ModeChoice choice_of(Mode mode);
const char *choice_name(ModeChoice choice);

/// For people: "XDP native".
const char *mode_text(Mode mode);

} // namespace bmc

#endif
