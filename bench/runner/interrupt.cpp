// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/interrupt.h"

#include <csignal>
#include <initializer_list>

namespace runner
{

namespace
{

volatile std::sig_atomic_t noted = 0;

void note(int signal)
{
    noted = signal;
}

} // namespace

void note_signals()
{
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        std::signal(signal, note);
}

void check_interrupt()
{
    if (noted != 0)
        throw Interrupted{noted};
}

int signal_noted()
{
    return noted;
}

} // namespace runner
