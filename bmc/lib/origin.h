// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_ORIGIN_H
#define BMC_LIB_ORIGIN_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// The process that holds an instance as its origin.
struct Origin {
    /// In its own pid namespace; 0 while it starts.
    uint32_t pid = 0;
    /// A pidfd, readable once the process has ended. None if no process that is
    /// seen from here under that pid holds the instance: the origin is in another
    /// pid namespace then, or this process may not look at it (ptrace(2)).
    Fd process;

    /// "memcached-sr with pid 12", with what is special about it.
    std::string text() const;
};

/// The origin of an instance, if one lives. What tells is the lock on the
/// folder; the pid comes from the control map.
std::optional<Origin> find_origin(const std::string &folder);

/// Pids, as seen from here, of processes that are still the origin of an
/// instance of this name which was detached: they write into maps that nobody
/// reads any more. Those in a pid namespace that is not seen from here are not
/// found.
std::vector<uint32_t> orphaned_origins(const std::string &root, const std::string &name);

/// Watches an instance for origins that come and go.
class OriginWatch
{
  public:
    enum class Change { none, started, ended };

    /// Starts without an origin: the first look() reports one that is there.
    static Result<OriginWatch> open(const std::string &folder);

    /// What has happened since the last call. One change at a time: call it until
    /// there is none.
    Result<Change> look();

    /// Whether the origin that was last reported lived at the last look().
    bool alive() const { return alive_; }

    /// The origin that was last reported.
    const Origin &origin() const { return origin_; }

    /// Readable when there is a change to be seen at once; -1 if only look() can
    /// tell. Valid until the next look().
    int wakeup() const { return alive_ && origin_.process ? origin_.process.get() : -1; }

  private:
    OriginWatch(std::string folder, Fd control)
        : folder_(std::move(folder)), control_(std::move(control))
    {
    }

    std::string folder_;
    Fd control_;
    Origin origin_;
    bool alive_ = false;
    /// Generation at which nobody held the lock. Every start of an origin
    /// advances it.
    std::optional<uint64_t> unheld_;
};

} // namespace bmc

#endif
