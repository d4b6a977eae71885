// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_ATTACH_H
#define BMC_LIB_ATTACH_H

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bmc/abi/layout.h"
#include "bmc/lib/access.h"
#include "bmc/lib/fd.h"
#include "bmc/lib/features.h"
#include "bmc/lib/memory.h"
#include "bmc/lib/mode.h"
#include "bmc/lib/origin.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/record.h"
#include "bmc/lib/result.h"
#include "bmc/lib/tc.h"

namespace bmc
{

constexpr uint64_t default_memory = uint64_t{256} << 20;
constexpr uint16_t default_port = 11211;
constexpr const char *default_instance = "default";

/// Called after each step of attach with a line that says what was done, and before
/// the one that takes long. False asks attach to stop: it undoes everything and returns
/// an error.
using Progress = std::function<bool(std::string_view)>;

struct AttachOptions {
    std::string instance = default_instance;
    std::vector<std::string> interfaces;
    std::vector<uint16_t> ports = {default_port};
    std::vector<Address> addresses;   ///< empty: all that the interfaces have
    uint64_t memory = default_memory; ///< bytes for everything
    Access access;
    ModeChoice mode = ModeChoice::automatic;
    TcChoice tc = TcChoice::automatic;
    std::optional<Group> group; ///< whose members may read the instance
    std::string pin_root = BMC_PIN_ROOT;
    bool hold = false; ///< see Attached::hold
    Progress progress; ///< may be empty
};

/// What attach made, or has taken over.
struct Attached {
    std::string folder;
    uint64_t id = 0; ///< as instance_id() tells
    InstanceRecord record = {};
    MemorySplit split;
    std::vector<Address> addresses;
    /// Entries of the cache that were kept, if it was attached already.
    std::optional<uint64_t> kept;
    std::optional<Origin> origin;
    /// As long as it is open, nobody else gets to hold the instance (`bmc run`).
    Fd hold;
    /// What killed loaders had left and what became of it, which origins of earlier
    /// instances of this name still run, and what its addresses may be misused for, one
    /// line each.
    std::vector<std::string> notes;
};

/// Loads the programs, pins them with their maps, and attaches them to TC ingress,
/// TC egress and, unless the mode is tc, XDP of every interface, all of them in the
/// current network namespace. On return the instance works without this process.
/// On error nothing is attached or pinned.
///
/// The instance grows in a folder of its own and gets its name as the last
/// step: whatever a killed attach leaves is recognised, and removed by the next
/// attach() or detach().
///
/// An instance that is there already is upgraded, see upgrade(): it is an error if the
/// options are for another (check_same()). If what made it lays the memory out in
/// another way it is detached first, unless somebody holds it.
Result<Attached> attach(const AttachOptions &options, const Features &features);

} // namespace bmc

#endif
