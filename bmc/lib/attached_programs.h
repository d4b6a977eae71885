// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_ATTACHED_PROGRAMS_H
#define BMC_LIB_ATTACHED_PROGRAMS_H

#include <cstdint>
#include <string>
#include <vector>

#include "bmc/lib/result.h"
#include "bmc/lib/tc.h"

namespace bmc
{

/// A program that is attached to an interface, whoever has attached it.
struct AttachedProgram {
    uint32_t id = 0;       ///< of BPF; 0 if it is another classifier's filter
    std::string name;      ///< empty if this process may not know it
    uint32_t priority = 0; ///< of a filter

    /// "'xdp_main' (id 12)", "id 12", "a filter of priority 3"
    std::string text() const;
};

/// Several of them, with commas between.
std::string join(const std::vector<AttachedProgram> &programs);

/// The XDP programs of an interface, of all modes.
Result<std::vector<AttachedProgram>> xdp_programs_at(uint32_t ifindex);

/// Why our XDP program has no place at an interface with these, and what to do.
struct Occupied {
    std::string message; ///< "another XDP program is attached: 'xdp_main' (id 12)"
    std::string advice;
};
Occupied describe_occupied(const std::vector<AttachedProgram> &programs,
                           const std::string &interface);

/// The TCX programs of an interface; none if the kernel has no TCX.
Result<std::vector<AttachedProgram>> tcx_programs_at(uint32_t ifindex, TcDirection direction);

/// The filters of an interface's clsact or ingress qdisc.
Result<std::vector<AttachedProgram>> filters_at(uint32_t ifindex, TcDirection direction);

} // namespace bmc

#endif
