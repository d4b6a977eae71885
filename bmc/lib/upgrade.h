// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_UPGRADE_H
#define BMC_LIB_UPGRADE_H

#include <optional>
#include <string>

#include "bmc/lib/attach.h"
#include "bmc/lib/plan.h"

namespace bmc
{

/// What an instance has that an upgrade keeps.
struct Existing {
    InstanceRecord record = {};
    bmc_control control = {};
    MemorySplit split;
};

/// Reads what is attached in a folder; nothing if a bmc made it that lays the memory out
/// in another way, or keeps other records.
Result<std::optional<Existing>> read_existing(const std::string &folder);

/// Whether these options are those that the instance has, as far as an upgrade cannot
/// change it: network namespace, interfaces and how they are attached to (what the
/// options leave to bmc may be anything), addresses, ports and memory. An error names
/// the difference.
Status check_same(const Existing &existing, const AttachOptions &options, const Plan &plan);

/// Where an upgrade was killed: makes all hooks run one set again. Returns whether there
/// was anything to do.
Result<bool> finish_upgrade(const std::string &folder, const InstanceRecord &record);

/// Loads programs for the maps of an instance and changes the hooks to them, under
/// load; what is cached stays. The options and the plan are for the mode that it has. On
/// error the instance is as it was.
Status upgrade(const std::string &folder, const Existing &existing, const AttachOptions &options,
               const Plan &plan);

} // namespace bmc

#endif
