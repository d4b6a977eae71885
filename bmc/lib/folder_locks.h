// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_FOLDER_LOCKS_H
#define BMC_LIB_FOLDER_LOCKS_H

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

/* Who locks which folder (flock(2)), as the kernel tells everybody. */
namespace bmc
{

/// Which folder it is, also after it has lost its name.
struct FolderId {
    dev_t device;
    ino_t inode;

    bool operator==(const FolderId &) const = default;
};

/// Nothing if there is no such folder, or it may not be asked.
std::optional<FolderId> identify(const std::string &path);

/// Folders of one file system that somebody has a lock on; of another pid
/// namespace's processes the kernel does not tell.
std::vector<FolderId> locked_folders(dev_t device);

/// Whether somebody has a lock on this folder.
bool is_listed_as_locked(const std::string &path);

} // namespace bmc

#endif
