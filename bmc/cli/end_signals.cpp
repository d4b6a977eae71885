// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/cli/end_signals.h"

namespace bmc::cli
{

namespace
{

volatile std::sig_atomic_t signal_seen = 0;

void note(int)
{
    signal_seen = 1;
}

} // namespace

EndSignals::EndSignals()
{
    struct sigaction action = {}; /* without SA_RESTART */

    signal_seen = 0;
    action.sa_handler = note;
    for (size_t i = 0; i < signals.size(); i++) {
        sigaction(signals[i], nullptr, &before_[i]);
        if (before_[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, nullptr);
    }
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, &pipe_before_);
    sigprocmask(SIG_BLOCK, nullptr, &mask_before_);
}

EndSignals::~EndSignals()
{
    /* What was held back comes now, to its handler here. */
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    sigaction(SIGPIPE, &pipe_before_, nullptr);
    for (size_t i = 0; i < signals.size(); i++)
        sigaction(signals[i], &before_[i], nullptr);
}

sigset_t EndSignals::hold()
{
    sigset_t held = {};
    sigset_t waiting = {};

    sigemptyset(&held);
    for (const int signal : signals)
        sigaddset(&held, signal);
    sigprocmask(SIG_BLOCK, &held, &waiting);
    for (const int signal : signals)
        sigdelset(&waiting, signal);
    return waiting;
}

bool EndSignals::seen() const
{
    return signal_seen != 0;
}

} // namespace bmc::cli
