// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_PINS_H
#define BMC_LIB_PINS_H

#include <string>
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

  private:
    PinRoot(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

    std::string path_;
    Fd fd_;
};

/// Pins a map, program or link under a path that must not exist.
Status pin(int fd, const std::string &path);

/// Opens a pinned map, program or link; code ENOENT if there is none.
Result<Fd> open_pin(const std::string &path);

/// Names of what is in a folder, sorted.
Result<std::vector<std::string>> list_folder(const std::string &path);

bool exists(const std::string &path);

} // namespace bmc

#endif
