// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_OPTIONS_H
#define BMC_LIB_STOCK_OPTIONS_H

#include <chrono>
#include <optional>

namespace bmc
{

/// Which memcached an instance is for.
enum class OriginKind {
    sr,    ///< memcached-sr, which says itself what it changes
    stock, ///< one without our patch, whose writes are watched on their way to it
};

/// Further options for OriginKind::stock.
struct StockOptions {
    /// How long nothing is cached of a key after a write of it was seen. memcached must
    /// apply a write, and send what it has read before, within half of it.
    std::chrono::milliseconds guard{1000};
    /// How long a value is used before memcached is asked again.
    std::chrono::milliseconds refresh{60'000};
    /// Bound for values of items stored before the attach, if memcached is not to be
    /// asked for their exptimes.
    std::optional<std::chrono::milliseconds> max_age{};
    /// Reset TCP connections that cannot be followed.
    bool reset_connections = false;
    /// Serve although memcached takes commands where they are not seen.
    bool accept_blind_spots = false;
};

} // namespace bmc

#endif
