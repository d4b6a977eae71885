// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/end_signals.h"

#include <algorithm>
#include <ctime>

namespace trafficgen
{

EndSignals::EndSignals()
{
    sigemptyset(&ends_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        sigaddset(&ends_, signal);
    pthread_sigmask(SIG_BLOCK, &ends_, &before_);
}

EndSignals::~EndSignals()
{
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool EndSignals::wait(std::chrono::nanoseconds limit)
{
    using namespace std::chrono;
    const auto end = steady_clock::now() + limit;

    // Other signals (SIGCONT) end the system call early.
    while (!seen_) {
        const auto left =
            std::max(nanoseconds(0), duration_cast<nanoseconds>(end - steady_clock::now()));
        const auto whole = duration_cast<seconds>(left);
        timespec time = {};
        time.tv_sec = whole.count();
        time.tv_nsec = (left - whole).count();
        if (sigtimedwait(&ends_, nullptr, &time) > 0)
            seen_ = true;
        else if (left.count() == 0)
            break;
    }
    return seen_;
}

void EndSignals::wait()
{
    while (!wait(std::chrono::hours(1))) {
    }
}

} // namespace trafficgen
