// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_END_SIGNALS_H
#define BMC_CLI_END_SIGNALS_H

#include <array>
#include <csignal>

namespace bmc::cli
{

/// While it lives, SIGINT, SIGTERM and SIGHUP do not end the process but are
/// noted, so that the command can finish or undo what it began. They do end a
/// system call that waits. A signal that was ignored stays ignored. One at a
/// time in a process.
class EndSignals
{
  public:
    EndSignals();
    EndSignals(const EndSignals &) = delete;
    EndSignals &operator=(const EndSignals &) = delete;
    ~EndSignals();

    /// Whether one has come.
    bool seen() const;

  private:
    static constexpr std::array<int, 3> signals = {SIGINT, SIGTERM, SIGHUP};

    std::array<struct sigaction, signals.size()> before_ = {};
};

} // namespace bmc::cli

#endif
