// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HISTORY_WORKLOAD_H
#define BMC_TESTS_HISTORY_WORKLOAD_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "tests/history/clients.h"
#include "tests/history/rig.h"

namespace bmc::test::history
{

struct Workload {
    Keys keys{};
    Mix mix{};
    /// One after the other with the ASCII, the meta, the binary and all protocols.
    std::uint32_t tcp_writers = 4;
    std::uint32_t udp_writers = 2;
    std::uint32_t udp_readers = 3;
    /// Answered operations of all clients together. A key of a multi-get is one.
    std::size_t operations = 100'000;
    std::uint64_t seed = 1;
    /// How long a client waits for a reply.
    std::chrono::milliseconds patience = std::chrono::seconds(5);
};

/// Few keys, all hot, written and read at the same time.
Workload race();
/// flush_all every two seconds, and keys that are mostly read over UDP. For a
/// rig without a segmented LRU.
Workload flushes();

/// What came of a workload.
struct Outcome {
    History history{{}};
    Tally writers;
    Tally readers;
    double seconds = 0;
    Counters counters;           ///< what the cache's have grown by
    std::uint64_t evictions = 0; ///< of memcached
};

/// The operations that clients have done so far.
using Progress = std::function<std::size_t()>;

/// Runs the clients against the rig, in which nothing is stored yet, until all operations are done,
/// and `meanwhile`, if given, has returned.
Outcome run(Rig &rig, const Workload &workload,
            const std::function<void(const Progress &)> &meanwhile = {});

/// Of the gets that UDP readers had answered, the part that the kernel
/// answered. In percent.
double kernel_share(const Outcome &outcome);

/// The seed from the environment variable BMC_HISTORY_SEED, or a new one.
std::uint64_t seed();

/// Prints what was done, and returns the verdict.
History::Verdict judge_and_report(const char *title, const Workload &workload,
                                  const Outcome &outcome);

} // namespace bmc::test::history

#endif
