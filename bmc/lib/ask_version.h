// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_ASK_VERSION_H
#define BMC_LIB_ASK_VERSION_H

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "bmc/lib/parse.h"

namespace bmc
{

/// A place where memcached may be asked over UDP.
struct Endpoint {
    Address address;
    uint16_t port = 0;

    /// "10.0.0.1:11211", "[fd00::1]:11211"
    std::string text() const;
};

/// What came back from one.
struct VersionAnswer {
    Endpoint endpoint;
    std::string version; ///< "1.6.38"; empty if there was no good answer
    std::string why;     ///< there was none: "nothing listens"
};

/// Asks memcached at each of the endpoints, all at once, for its version by one UDP
/// datagram, and waits no longer than the limit for their answers.
std::vector<VersionAnswer> ask_version(const std::vector<Endpoint> &endpoints,
                                       std::chrono::milliseconds limit);

} // namespace bmc

#endif
