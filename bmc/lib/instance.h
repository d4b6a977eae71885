// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_INSTANCE_H
#define BMC_LIB_INSTANCE_H

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "bmc/lib/pins.h"
#include "bmc/lib/result.h"
#include "bmc/lib/tc.h"

namespace bmc
{

/// Called after each step of something that cannot be stopped, with a line that says
/// what was done.
using StepReport = std::function<void(std::string_view)>;

/// Names of pins in an instance's folder: of maps, beside those of abi/layout.h, ...
constexpr const char *pin_buckets = "buckets";
constexpr const char *pin_counters = "counters";
/// ... and of what is no part of the programs.
constexpr const char *pin_record = "instance";
constexpr const char *pin_devices = "devices";
std::string pin_xdp_link(uint32_t ifindex);
std::string pin_tc_link(uint32_t ifindex, TcDirection direction);

/// Folder in an instance's folder with the programs that its hooks run and the maps
/// that only these use; and that of an upgrade with the set that is coming, or, once
/// the two have changed names, with the one that goes.
std::string programs_folder(const std::string &folder);
std::string other_programs_folder(const std::string &folder);

/// Empty folder in an instance's folder that a live `bmc run` has locked.
std::string run_folder(const std::string &folder);

/// Folder of an instance while it works.
std::string instance_folder(const std::string &root, std::string_view name);

/// Folder of an instance while attach fills it, and while detach empties it. An
/// instance's name cannot contain the plus sign.
std::string attaching_folder(const std::string &root, std::string_view name);
std::string detaching_folder(const std::string &root, std::string_view name);

/// Names of the instances that are attached; none if the root is not there.
/// Folders that attach did not make are none.
Result<std::vector<std::string>> list_instances(const std::string &root);

/// Whether attach made what is in the folder, be it another version's.
bool is_instance(const std::string &folder);

/// Lets the members of a group open what status, stats, top and dump read of an instance;
/// not its folder itself, the lock on which says who its origin is.
Status let_group_read(const std::string &folder, gid_t group);

/// The same for one set of programs: programs_folder() or other_programs_folder().
Status let_group_read_set(const std::string &set, gid_t group);

/// Takes both back: nobody else passes the instance's folder any more.
Status let_owner_read(const std::string &folder);

/// A number that tells an instance from those of its name before and after it:
/// the inode of its folder. (bpffs counts inodes up; one comes again after 2^32.)
/// Code ENOENT if there is no such folder.
Result<uint64_t> instance_id(const std::string &folder);

/// Whether an origin holds the instance (an exclusive lock on its folder).
bool origin_holds(const std::string &folder);

/// Ids of the programs of this name in an instance's folder, of whatever set; what made
/// it may be another version of bmc.
std::vector<uint32_t> program_ids(const std::string &folder, const std::string &name);

/// The error for an instance that is not attached; names those that are.
Error no_such_instance(const std::string &operation, const std::string &name,
                       const std::string &root);

/// Detaches the links of one interface and leaves their pins: what is attached to an
/// interface goes with it to another network namespace, where its addresses may be
/// somebody else's. (TC filters do not.)
void detach_links(const std::string &folder, uint32_t ifindex);

/// Whether remove_instance() can do its work from here: an error if the
/// instance has TC filters in another network namespace.
Status check_removable(const std::string &folder);

/// Detaches and removes everything that belongs to an instance's folder, in an
/// order that can be taken up again after a kill: TC filters, links, programs
/// and maps, the record. If a filter is in another network namespace, nothing
/// is changed and the error says so. Works on what other versions of bmc have made
/// too, but leaves their clsact qdisc, empty, if their record cannot be read.
Status remove_instance(const std::string &folder, const StepReport &report = {});

/// Renames an instance, so that it is none any more, whatever happens then, and removes
/// it. The root is locked.
Status retire_instance(const PinRoot &root, const std::string &instance,
                       const StepReport &report = {});

/// The rest of an attach or detach that was killed.
struct Leftover {
    std::string instance;
    std::string folder;
    bool origin_was_alive; ///< it goes on without the cache
    Status removed;
};

/// One line about it.
std::string describe(const Leftover &leftover);

/// Removes whatever killed loaders left behind. The lock on the root tells that
/// none of them is alive.
Result<std::vector<Leftover>> remove_leftovers(const PinRoot &root);

} // namespace bmc

#endif
