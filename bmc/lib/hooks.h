// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_HOOKS_H
#define BMC_LIB_HOOKS_H

#include <functional>
#include <string>

#include "bmc/lib/programs.h"
#include "bmc/lib/record.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Asked after each step of something that can be stopped: an error stops it.
using Step = std::function<Status(const std::string &)>;

/// An error if one of the programs of an instance is not attached any more: somebody
/// else has detached it.
Status check_hooks(const std::string &folder, const InstanceRecord &record);

/// Makes all hooks of an instance run these entry programs of a set, one hook after the
/// other, without a packet that finds none. Leaves hooks alone that are not there any
/// more, or not ours. Clsact filters are only reached from their network namespace.
///
/// What is handed from XDP to TC ingress, and the cache that TC egress fills, are under
/// the layout version, so that the hooks may run different sets for the moment. All the
/// same, who reads comes before who writes: TC ingress, XDP, TC egress.
Status swap_programs(const std::string &folder, const InstanceRecord &record,
                     const EntryPrograms &programs, const Step &step);

} // namespace bmc

#endif
