// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/progress.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace runner
{

Progress::Progress(double seconds)
    : terminal_(::isatty(STDERR_FILENO) == 1), after_s_(seconds), left_s_(seconds)
{
}

Progress::~Progress()
{
    if (terminal_)
        fmt::print(stderr, "\r\x1b[K");
}

double Progress::elapsed() const
{
    return std::chrono::duration<double>(Clock::now() - begin_).count();
}

void Progress::begin(const std::string &name, double seconds)
{
    name_ = name;
    current_s_ = seconds;
    after_s_ = std::max(0.0, after_s_ - seconds);
    begin_ = Clock::now();
    left_s_ = after_s_ + current_s_;
    preparing("preparing");
}

void Progress::preparing(const std::string &what)
{
    left_s_ = after_s_ + std::max(0.0, current_s_ - elapsed());
    show(what);
}

void Progress::round(unsigned number, unsigned rounds)
{
    if (number == 1)
        first_round_s_ = elapsed();
    // From the second round on, by what the first ones took.
    const double spent = elapsed() - first_round_s_;
    const double current = number > 1 ? spent / (number - 1) * (rounds - number + 1)
                                      : std::max(0.0, current_s_ - elapsed());
    left_s_ = after_s_ + current;
    show(fmt::format("round {} of {}", number, rounds));
}

void Progress::show(const std::string &text)
{
    const auto seconds = static_cast<int>(left_s_);
    const std::string line = fmt::format("bmc-bench: {}: {}, about {}:{:02} left", name_, text,
                                         seconds / 60, seconds % 60);

    if (terminal_)
        fmt::print(stderr, "\r\x1b[K{}", line);
    else
        fmt::print(stderr, "{}\n", line);
    std::fflush(stderr);
}

} // namespace runner
