// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_END_SIGNALS_H
#define BENCH_TRAFFICGEN_END_SIGNALS_H

#include <chrono>
#include <csignal>

namespace trafficgen
{

/// While it lives, SIGINT, SIGTERM and SIGHUP are held back in this thread and
/// in those that it starts, and only wait() takes them. Make it before there is
/// anything to undo.
class EndSignals
{
  public:
    EndSignals();
    EndSignals(const EndSignals &) = delete;
    EndSignals &operator=(const EndSignals &) = delete;
    ~EndSignals();

    /// Waits for one of them, at most so long. Once it has returned true it
    /// does so at once.
    bool wait(std::chrono::nanoseconds limit);

    /// The same without limit.
    void wait();

  private:
    sigset_t ends_ = {};
    sigset_t before_ = {};
    bool seen_ = false;
};

} // namespace trafficgen

#endif
