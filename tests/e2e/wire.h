// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_E2E_WIRE_H
#define BMC_TESTS_E2E_WIRE_H

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/fixture.h"
#include "tests/harness/packet.h"
#include "tests/harness/raw_socket.h"

namespace bmc::test
{

/// A request as frames, and its request id.
struct Crafted {
    std::uint16_t id = 0;
    std::vector<Bytes> frames;
};

/// A reply seen on the wire. To be moved, not copied: `parsed` has views into
/// the frame.
struct WireReply {
    ReceivedFrame frame;
    Parsed parsed;
    std::string text; ///< behind the frame header
};

/// For tests that send frames of their own making to the client's end of the
/// veth pair, and look at those that come back.
class WireE2e : public E2e
{
  protected:
    void SetUp() override;

    const RawSocket &raw() const { return *raw_; }
    /// An id that no other request of the test has.
    std::uint16_t next_id() { return ++id_; }

    /// From the client to the server.
    Ethernet ethernet() const;
    Layer ip() const;
    /// From the port of udp(), so that the client's stack knows it.
    Udp from_client();

    /// The headers, then a frame header with an id of its own, then the text.
    Crafted craft(Packet headers, const std::string &text);
    /// Under ordinary headers.
    Crafted craft(const std::string &text);
    /// The same, cut into IP fragments of `size` bytes of payload.
    Crafted craft_fragments(const std::string &text, std::size_t size);

    void send(const Crafted &request) const;
    /// The next datagram from the server with this request id. Its checksums
    /// must be right.
    std::optional<WireReply> receive(std::uint16_t id, std::chrono::milliseconds limit);
    /// Sends and expects one datagram with this text.
    void expect_reply(const Crafted &request, const std::string &text,
                      Where where = Where::current());
    /// Sends, and nobody must answer. Another request of the same flow, to which
    /// only memcached has an answer, goes out behind it: once that is answered,
    /// this would have been.
    void expect_silence(const Crafted &request, Where where = Where::current());

  private:
    std::optional<RawSocket> raw_;
    std::uint16_t id_ = 0x4000; // apart from those of udp()
};

} // namespace bmc::test

#endif
