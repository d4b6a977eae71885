// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_CONNECTIONS_H
#define BMC_LIB_STOCK_CONNECTIONS_H

#include <cstdint>
#include <string>
#include <vector>

#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"
#include "bmc/lib/stock/sock_diag.h"

namespace bmc
{

/// Tells which of memcached's TCP connections are followed.
class Connections
{
  public:
    static Result<Connections> open(const std::string &folder);

    /// The connections to these ports of the current network namespace that are not
    /// followed: older than the attach, or followed no further.
    Result<std::vector<ListedSocket>> blind(const std::vector<uint16_t> &ports) const;

    /// How many are followed.
    size_t followed() const;

  private:
    explicit Connections(Fd streams) : streams_(std::move(streams)) {}

    bool is_followed(uint64_t cookie) const;

    Fd streams_;
};

} // namespace bmc

#endif
