// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_RUNNER_PROGRESS_H
#define BENCH_RUNNER_PROGRESS_H

#include <chrono>
#include <string>

namespace runner
{

/// Says on stderr what is being measured, and how long the rest takes: on a terminal in
/// one line, otherwise with a line whenever something new begins.
class Progress
{
  public:
    /// Seconds that everything takes, by estimate.
    explicit Progress(double seconds);
    ~Progress();
    Progress(const Progress &) = delete;
    Progress &operator=(const Progress &) = delete;

    /// An experiment begins, which takes so many seconds, by estimate.
    void begin(const std::string &name, double seconds);
    void preparing(const std::string &what);
    /// Rounds count from 1.
    void round(unsigned number, unsigned rounds);

  private:
    using Clock = std::chrono::steady_clock;

    void show(const std::string &text);
    double elapsed() const;

    bool terminal_;
    double after_s_;       // experiments to come
    double current_s_ = 0; // the estimate of this one
    std::string name_;
    Clock::time_point begin_ = Clock::now(); // of this one
    double first_round_s_ = 0;               // when it began
    double left_s_;
};

} // namespace runner

#endif
