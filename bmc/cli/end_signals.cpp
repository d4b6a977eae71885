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
}

EndSignals::~EndSignals()
{
    for (size_t i = 0; i < signals.size(); i++)
        sigaction(signals[i], &before_[i], nullptr);
}

bool EndSignals::seen() const
{
    return signal_seen != 0;
}

} // namespace bmc::cli
