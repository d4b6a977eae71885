// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_RAW_SOCKET_H
#define BMC_TESTS_HARNESS_RAW_SOCKET_H

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "bmc/lib/fd.h"
#include "tests/harness/netns.h"
#include "tests/harness/packet.h"

namespace bmc::test
{

/// A frame as it came in from the wire.
struct ReceivedFrame {
    Bytes bytes;
    /// The sender's stack left the UDP checksum to its device, and the virtual
    /// device did not write it: the field holds no checksum to check.
    bool checksum_left_to_device = false;
};

/// A packet socket (packet(7)) on one interface: sends whole Ethernet frames and
/// sees those that arrive; not those that the host itself sends.
class RawSocket
{
  public:
    RawSocket(const NetNs &where, const std::string &interface);

    void send(const Bytes &frame) const;
    /// The next frame that arrives, or nothing after `limit`. A tag that the
    /// kernel took out is put back.
    [[nodiscard]] std::optional<ReceivedFrame> receive(std::chrono::milliseconds limit) const;
    /// The next UDP packet that `wanted` accepts, or nothing after `limit`.
    /// The views that `wanted` is given end with its return.
    [[nodiscard]] std::optional<ReceivedFrame>
    receive_udp(const std::function<bool(const Parsed &)> &wanted,
                std::chrono::milliseconds limit) const;

  private:
    Fd fd_;
};

} // namespace bmc::test

#endif
