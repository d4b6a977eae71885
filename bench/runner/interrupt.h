// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_RUNNER_INTERRUPT_H
#define BENCH_RUNNER_INTERRUPT_H

namespace runner
{

/// Thrown where the run notices that a signal has asked for its end; the owners on the
/// stack clean up.
struct Interrupted {
    int signal;
};

/// From now on SIGINT, SIGTERM and SIGHUP are only noted, for check_interrupt().
void note_signals();

/// Throws Interrupted if a signal has come.
void check_interrupt();

/// The signal that has come, or 0.
int signal_noted();

} // namespace runner

#endif
