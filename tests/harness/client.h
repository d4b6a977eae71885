// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_CLIENT_H
#define BMC_TESTS_HARNESS_CLIENT_H

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bmc/lib/fd.h"
#include "tests/harness/netns.h"
#include "tests/harness/packet.h"

namespace bmc::test
{

/// Where a server is. The address is text as inet_pton(3) takes it; one with a
/// colon is IPv6.
struct Endpoint {
    std::string address;
    std::uint16_t port = 11211;
};

/// How long a reply may take before it counts as lost.
inline constexpr std::chrono::milliseconds reply_limit{2000};

/// One datagram of memcached's UDP protocol.
struct Datagram {
    MemcachedFrame frame;
    std::string payload;
};

/// A UDP client of memcached, bound to a port of its own.
class UdpClient
{
  public:
    /// `source` is an address of the namespace, if it matters which.
    UdpClient(const NetNs &where, const Endpoint &server, const std::string &source = {});

    /// Sends one request of one datagram with this frame header.
    void send(const MemcachedFrame &frame, std::string_view request) const;
    /// The next datagram from the server, or nothing after `limit`.
    [[nodiscard]] std::optional<Datagram> receive(std::chrono::milliseconds limit) const;
    /// Sends the request under a new id and returns the whole reply, put
    /// together from as many datagrams as their headers say. Nothing if it is
    /// not complete after `limit`. Datagrams of other ids are thrown away.
    std::optional<std::string> ask(std::string_view request,
                                   std::chrono::milliseconds limit = reply_limit);
    /// The datagrams of the reply, in the order of their sequence numbers.
    std::optional<std::vector<Datagram>>
    ask_datagrams(std::string_view request, std::chrono::milliseconds limit = reply_limit);

    /// Another id for each call.
    std::uint16_t next_id() { return ++last_id_; }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    Fd fd_;
    std::uint16_t last_id_ = 0;
    std::uint16_t port_ = 0;
};

/// A TCP client of memcached. Nagle's algorithm is off. Everything throws Error
/// when the connection ends or nothing comes for `reply_limit`.
class TcpClient
{
  public:
    TcpClient(const NetNs &where, const Endpoint &server);

    void send(std::string_view data) const;
    /// Sends, and waits until the server's stack has acknowledged every byte:
    /// what is sent next travels in a segment of its own.
    void send_segment(std::string_view data) const;
    /// The next line, with its CR LF.
    std::string read_line();
    std::string read(std::size_t bytes);
    /// Everything up to and with the next `end`.
    std::string read_until(std::string_view end);
    /// Sends a command with a reply of one line.
    std::string ask(std::string_view request);
    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    void receive_some();

    Fd fd_;
    std::string received_;
};

} // namespace bmc::test

#endif
