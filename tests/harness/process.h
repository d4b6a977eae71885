// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_PROCESS_H
#define BMC_TESTS_HARNESS_PROCESS_H

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "bmc/lib/fd.h"
#include "tests/harness/netns.h"

namespace bmc::test
{

/// A child process. Its standard input is /dev/null; what it prints is kept.
/// The destructor ends it with SIGKILL and reaps it if it still runs.
class Process
{
  public:
    /// Starts arguments[0], looked up in PATH, inside `where` if given. Throws
    /// Error if it cannot be started.
    explicit Process(const std::vector<std::string> &arguments, const NetNs *where = nullptr);
    Process(Process &&other) noexcept;
    Process &operator=(Process &&other) noexcept;
    Process(const Process &) = delete;
    Process &operator=(const Process &) = delete;
    ~Process();

    [[nodiscard]] pid_t pid() const { return pid_; }
    /// False once it has ended (and was reaped).
    bool running();
    void signal(int number) const;
    /// Waits for the end and returns the exit status as a shell would: the code,
    /// or 128 plus the signal's number. Throws Error after `limit`.
    int wait(std::chrono::milliseconds limit = std::chrono::seconds(60));
    /// What it has printed so far, on each of the two streams.
    [[nodiscard]] std::string out() const;
    [[nodiscard]] std::string err() const;
    /// Whether a socket of its network namespace is bound to this port and, for
    /// TCP, listening.
    [[nodiscard]] bool listens(std::uint16_t port, bool tcp) const;

  private:
    void end() noexcept;

    pid_t pid_ = -1;
    std::optional<int> status_;
    std::string name_;
    Fd out_;
    Fd err_;
};

/// How a command ended, and what it printed.
struct Result {
    int status = -1;
    std::string out;
    std::string err;
};

/// Runs a command to its end.
Result run(const std::vector<std::string> &arguments, const NetNs *where = nullptr);

/// The same, and throws Error with its output if the status is not 0. Returns
/// what it printed on standard output.
std::string run_checked(const std::vector<std::string> &arguments, const NetNs *where = nullptr);

} // namespace bmc::test

#endif
