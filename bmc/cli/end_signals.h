// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_END_SIGNALS_H
#define BMC_CLI_END_SIGNALS_H

#include <array>
#include <csignal>

namespace bmc::cli
{

/// While it lives, SIGINT, SIGTERM and SIGHUP do not end the process but are
/// noted, so that the command can finish or undo what it began. They do end a
/// system call that waits. A signal that was ignored stays ignored. SIGPIPE is
/// ignored: that nobody reads what is said must not end the work midway. One at
/// a time in a process.
class EndSignals
{
  public:
    EndSignals();
    EndSignals(const EndSignals &) = delete;
    EndSignals &operator=(const EndSignals &) = delete;
    ~EndSignals();

    /// Whether one has come.
    bool seen() const;

    /// Keeps them from coming from now on, save while a call waits with the
    /// signal mask that this returns (ppoll(2)). So none comes unseen between
    /// seen() and that call, and what follows is not interrupted.
    sigset_t hold();

  private:
    static constexpr std::array<int, 3> signals = {SIGINT, SIGTERM, SIGHUP};

    std::array<struct sigaction, signals.size()> before_ = {};
    struct sigaction pipe_before_ = {};
    sigset_t mask_before_ = {};
};

} // namespace bmc::cli

#endif
