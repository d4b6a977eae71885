// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_LOADER_STAND_IN_ORIGIN_H
#define BMC_TESTS_LOADER_STAND_IN_ORIGIN_H

#include <string>
#include <sys/types.h>

namespace bmc::test
{

/// A process that does what a memcached-sr does to an instance as its origin, as
/// far as the loader sees it: takes the lock on the folder, writes its pid and
/// advances the generation. Ends by SIGKILL with this object at the latest.
class StandInOrigin
{
  public:
    enum class Pids { ours, own_namespace };

    /// Returns when it has done so. Throws Error if it cannot.
    explicit StandInOrigin(const std::string &folder, Pids pids = Pids::ours);
    ~StandInOrigin();
    StandInOrigin(const StandInOrigin &) = delete;
    StandInOrigin &operator=(const StandInOrigin &) = delete;

    /// As seen from here.
    pid_t pid() const { return pid_; }
    void kill();

  private:
    pid_t pid_ = -1;
};

} // namespace bmc::test

#endif
