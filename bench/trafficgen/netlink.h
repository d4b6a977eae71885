// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_NETLINK_H
#define BENCH_TRAFFICGEN_NETLINK_H

#include "bench/loadgen/result.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <linux/netlink.h>

namespace trafficgen
{

using namespace loadgen;

/// A request of netlink(7).
class NetlinkRequest
{
  public:
    /// `body` is the fixed part behind the netlink header.
    NetlinkRequest(uint16_t type, uint16_t flags, std::span<const char> body);

    /// Adds an attribute.
    void add(uint16_t type, std::span<const char> value);

    std::span<const char> bytes() const { return bytes_; }

  private:
    std::vector<char> bytes_;
};

/// Bytes of a plain object.
template <class T>
std::span<const char> bytes_of(const T &object)
{
    return {reinterpret_cast<const char *>(&object), sizeof object};
}

/// Sends a request of one of netlink's protocols (NETLINK_ROUTE) with the flag
/// NLM_F_DUMP or NLM_F_ACK set, and hands every message of the answer to
/// `visit`, without the netlink header. The Error has the kernel's errno.
Status exchange(int protocol, const NetlinkRequest &request,
                const std::function<void(std::span<const char>)> &visit);

/// The value of the first attribute of a type, in a row of attributes.
std::optional<std::span<const char>> find_attribute(std::span<const char> attributes,
                                                    uint16_t type);

/// The attribute's number; nothing if it is not there.
std::optional<uint32_t> find_u32(std::span<const char> attributes, uint16_t type);

} // namespace trafficgen

#endif
