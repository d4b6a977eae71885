// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_CACHE_H
#define BMC_TESTS_HARNESS_CACHE_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/harness/netns.h"
#include "tests/harness/process.h"

namespace bmc::test
{

/// Values of the kernel programs' counters, by the names of bmc/abi/counters.h.
using Counters = std::map<std::string, std::uint64_t>;

/// Runs the `bmc` command of this build.
Result run_bmc(const std::vector<std::string> &arguments, const NetNs *where = nullptr);

/// An attached instance of the cache.
class Cache
{
  public:
    /// Attaches to the interfaces, for the port 11211 unless `more` says
    /// otherwise. Throws Error with what `bmc` printed if that fails. With `--origin
    /// stock` in `more`, by a `bmc run` that stays.
    Cache(const NetNs &where, std::string instance, const std::vector<std::string> &interfaces,
          const std::vector<std::string> &more = {});
    /// Detaches, if detach() was not called.
    ~Cache();
    Cache(const Cache &) = delete;
    Cache &operator=(const Cache &) = delete;

    const std::string &instance() const { return instance_; }
    /// Folder of the pinned maps.
    std::string pins() const;
    /// What `bmc attach` printed on its standard output.
    const std::string &output() const { return output_; }
    /// The `bmc run`, if it is one.
    Process &process() { return *run_; }
    Counters counters() const;
    void detach();

  private:
    const NetNs &where_;
    std::string instance_;
    std::string output_;
    std::optional<Process> run_;
    bool attached_ = false;
};

/// What each counter has grown by; those that have not are left out.
Counters grown(const Counters &before, const Counters &after);

} // namespace bmc::test

#endif
