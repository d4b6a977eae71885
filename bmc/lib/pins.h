// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_PINS_H
#define BMC_LIB_PINS_H

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// The folder of all instances in the BPF file system, exclusively locked
/// against other loaders for the life of this object. Destroying it removes the
/// folder if that is empty.
class PinRoot
{
  public:
    enum class Missing { create, refuse };

    /// Waits for the lock; a signal that is caught ends the wait with code EINTR.
    /// Missing::refuse makes a missing folder an error with code ENOENT. Refuses
    /// a folder that another user could tamper with.
    static Result<PinRoot> lock(const std::string &path, Missing missing);

    PinRoot(PinRoot &&) = default;
    PinRoot &operator=(PinRoot &&) = delete;
    PinRoot(const PinRoot &) = delete;
    PinRoot &operator=(const PinRoot &) = delete;
    ~PinRoot();

    const std::string &path() const { return path_; }

    /// Lets everybody pass to the instances, whose folders have modes of their own. Not
    /// look into it: who may open it could hold its lock.
    Status let_others_pass() const;

  private:
    PinRoot(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

    std::string path_;
    Fd fd_;
};

/// Pins a map, program or link under a path that must not exist.
Status pin(int fd, const std::string &path);

/// Opens a pinned map, program or link; code ENOENT if there is none. A map that this
/// process may only read is opened for reading.
Result<Fd> open_pin(const std::string &path);

Status set_mode(const std::string &path, mode_t mode);

/// Changes group and mode of a file or folder.
Status give_to_group(const std::string &path, gid_t group, mode_t mode);

/// Names of what is in a folder, sorted.
Result<std::vector<std::string>> list_folder(const std::string &path);

bool exists(const std::string &path);
bool is_folder(const std::string &path);

/// Removes the name; the object goes when nothing else refers to it.
Status remove_pin(const std::string &path);

Status make_folder(const std::string &path);

/// Gives each of two folders the name of the other, at one instant.
Status exchange_folders(const std::string &one, const std::string &other);

/// Removes a folder with all that is pinned in it; does nothing if there is none.
Status remove_folder(const std::string &path);

/// Locks a folder with flock(2) for the life of the descriptor, or returns none if
/// somebody else has it locked.
Result<std::optional<Fd>> try_lock_folder(const std::string &path);

/// Whether somebody has it locked so. Looks by taking the lock for an instant; who may
/// not open the folder asks the kernel's list of locks.
bool is_folder_locked(const std::string &path);

} // namespace bmc

#endif
