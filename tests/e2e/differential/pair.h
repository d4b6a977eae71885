// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_E2E_DIFFERENTIAL_PAIR_H
#define BMC_TESTS_E2E_DIFFERENTIAL_PAIR_H

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/differential/request.h"
#include "tests/harness/cache.h"
#include "tests/harness/client.h"
#include "tests/harness/lab.h"
#include "tests/harness/origin.h"

namespace bmc::test
{

/// Everything a server answered to a request: over UDP the datagrams, ordered
/// by sequence number and content, over TCP the stream.
struct Answer {
    std::vector<std::string> parts;

    bool operator==(const Answer &) const = default;
};

/// One memcached-sr with a lab of its own, with or without the cache in front.
///
/// What it answers is known to be complete without waiting for a time: it has
/// one thread, and over UDP every request is followed by a command whose reply
/// is certain, over TCP by the end of the connection.
class Side
{
  public:
    /// Without a mode, without the cache.
    explicit Side(const std::optional<std::string> &mode);

    Answer ask(const Request &request);
    Counters counters() const { return cache_->counters(); }
    const Lab &lab() const { return lab_; }

  private:
    Answer ask_udp(const Request &request);
    Answer ask_tcp(const Request &request);

    Lab lab_;
    // In this order: the cache goes after the origin that has its maps mapped.
    std::optional<Cache> cache_;
    std::optional<Origin> origin_;
    std::array<std::optional<UdpClient>, 2> udp_; // IPv4, IPv6
    std::uint16_t last_id_;
};

/// A memcached-sr with the cache and one without, which get the same requests.
class Pair
{
  public:
    explicit Pair(const std::string &mode) : cached_(mode), plain_(std::nullopt) {}

    /// Sends to both and returns what they answered. If the answers differ, it
    /// adds a failure with both to the running test and throws Error: what they
    /// hold may then differ as well.
    Answer ask(const Request &request);
    /// The same, and the answers are thrown away.
    void ask_anyway(const Request &request);

    const Side &cached() const { return cached_; }

  private:
    Side cached_;
    Side plain_;
    std::deque<std::string> recent_; // requests, for messages
};

/// Control and high bytes as in a C string.
std::string escaped(std::string_view bytes);

} // namespace bmc::test

#endif
