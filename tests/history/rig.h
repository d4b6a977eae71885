// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HISTORY_RIG_H
#define BMC_TESTS_HISTORY_RIG_H

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/harness/cache.h"
#include "tests/harness/lab.h"
#include "tests/harness/process.h"
#include "tests/history/log.h"

namespace bmc::test::history
{

/// A lab with a memcached that evicts all the time, and in front of it a cache
/// of the smallest size, which does too.
class Rig
{
  public:
    struct Options {
        /// Executables of this build: those of the product, or broken ones.
        std::string bmc = "bmc";
        std::string memcached = "memcached-sr";
        unsigned workers = 4;
        /// `-o udp_reuseport`.
        bool udp_reuseport = true;
        /// Small items take a place of this many bytes, so that few fit.
        unsigned item_place = 900;
        std::string memory = "1M"; ///< of the cache
        std::string memcached_megabytes = "2";
        bool segmented_lru = true;
        /// Attach with `bmc run`, which stays, instead of `bmc attach`.
        bool foreground = false;
        /// The memcached that Debian has, with this guard time in seconds, instead of
        /// memcached-sr. Takes `foreground`.
        std::string stock_guard{};
    };

    explicit Rig(Options options);
    ~Rig();
    Rig(const Rig &) = delete;
    Rig &operator=(const Rig &) = delete;

    [[nodiscard]] const Lab &lab() const { return lab_; }
    [[nodiscard]] const std::string &instance() const { return lab_.name(); }

    /// Runs a subcommand of `bmc` on the instance, with these further arguments.
    [[nodiscard]] Result bmc(const std::string &subcommand,
                             const std::vector<std::string> &more = {}) const;
    void attach();
    void detach();
    /// Ends `bmc run` with SIGKILL. The cache stays attached.
    void kill_run();
    /// Starts `bmc run` and ends it with SIGKILL when so much time has passed,
    /// whatever it is about. Anything may be attached afterwards.
    void start_and_kill_run(std::chrono::microseconds after);
    /// Of all that has been attached so far.
    [[nodiscard]] Counters counters() const;

    /// Starts memcached-sr and waits until it listens.
    void start_origin();
    /// Throws Error with what it said if it has ended.
    void check_origin();
    /// Ends it with SIGKILL and starts it again. Returns from before the one to
    /// after the other.
    Interval restart_origin();
    /// A number from memcached's `stats`.
    [[nodiscard]] std::uint64_t origin_statistic(const std::string &name) const;

  private:
    [[nodiscard]] bool is_stock() const { return !options_.stock_guard.empty(); }
    [[nodiscard]] std::vector<std::string> bmc_command(const std::string &subcommand,
                                                       const std::vector<std::string> &more) const;

    Options options_;
    Lab lab_;
    bool attached_ = false;
    Counters detached_; // what counters() said before the last detach()
    std::optional<Process> run_;
    std::optional<Process> origin_;
};

} // namespace bmc::test::history

#endif
