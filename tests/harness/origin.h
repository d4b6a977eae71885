// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_ORIGIN_H
#define BMC_TESTS_HARNESS_ORIGIN_H

#include <cstdint>
#include <string>
#include <vector>

#include "tests/harness/process.h"

namespace bmc::test
{

/// A memcached-sr, or a memcached as Debian has it, that listens with TCP and UDP on every address of a namespace.
/// Each of its two workers has a UDP socket of its own by default, so that what one client
/// sends is answered in that order, and a request has one datagram sequence as
/// its reply.
class Origin
{
  public:
    struct Options {
        std::uint16_t port = 11211;
        /// Folder of the pinned maps (`-o bmc=`); empty: run without the cache.
        std::string pins{};
        std::vector<std::string> more{}; ///< further arguments
        /// `-o udp_reuseport`. Off: one UDP socket for all workers, as stock has.
        bool udp_reuseport = true;
        bool stock = false; ///< memcached, not memcached-sr
    };

    /// Starts it and waits until it listens. It drops its privileges to user
    /// nobody, as an installed one would.
    Origin(const NetNs &where, const Options &options);

    std::uint16_t port() const { return port_; }
    Process &process() { return process_; }
    /// Asks it to end and waits for that.
    void stop();
    /// Ends it at once, with SIGKILL.
    void kill();

  private:
    std::uint16_t port_;
    Process process_;
};

} // namespace bmc::test

#endif
