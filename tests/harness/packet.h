// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_PACKET_H
#define BMC_TESTS_HARNESS_PACKET_H

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/*
 * Packets from layers:
 *
 *     Ethernet{.destination = server} / Ipv4{.ttl = 3} / Udp{} / MemcachedFrame{} / "get k\r\n"
 *
 * build() fills in types, lengths and checksums that fit the layers; a field
 * that is set explicitly goes out as it is, right or wrong. Numbers are in host
 * byte order. Addresses are text, as inet_pton(3) takes it.
 */
namespace bmc::test
{

using Bytes = std::vector<std::uint8_t>;
using Mac = std::array<std::uint8_t, 6>;

Bytes bytes_of(std::string_view text);
std::string text_of(std::span<const std::uint8_t> bytes);
/// From "02:00:00:00:00:01". Throws Error on anything else.
Mac mac_of(const std::string &text);

inline constexpr std::uint16_t ethertype_ipv4 = 0x0800;
inline constexpr std::uint16_t ethertype_vlan = 0x8100;
inline constexpr std::uint16_t ethertype_ipv6 = 0x86dd;
inline constexpr std::uint8_t protocol_udp = 17;
inline constexpr std::uint8_t protocol_fragment = 44;

struct Ethernet {
    Mac destination{};
    Mac source{};
    std::optional<std::uint16_t> type{};
};

/// An 802.1Q tag, or with tpid 0x88a8 an 802.1ad one.
struct Vlan {
    std::uint16_t id = 1;
    std::uint8_t priority = 0;
    std::uint16_t tpid = ethertype_vlan;
    std::optional<std::uint16_t> type{};
};

struct Ipv4 {
    std::string source = "10.77.0.2";
    std::string destination = "10.77.0.1";
    std::uint8_t tos = 0;
    std::uint16_t id = 0;
    std::uint8_t ttl = 64;
    bool dont_fragment = false;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0; // in units of 8 bytes
    Bytes options{};                   // padded with zeros to a multiple of 4
    std::uint8_t version = 4;
    std::optional<std::uint8_t> header_words{}; // IHL, in units of 4 bytes
    std::optional<std::uint16_t> total_length{};
    std::optional<std::uint8_t> protocol{};
    std::optional<std::uint16_t> checksum{};
};

struct Ipv6 {
    std::string source = "fd77::2";
    std::string destination = "fd77::1";
    std::uint8_t traffic_class = 0;
    std::uint32_t flow_label = 0;
    std::uint8_t hop_limit = 64;
    std::uint8_t version = 6;
    std::optional<std::uint16_t> payload_length{};
    std::optional<std::uint8_t> next_header{};
};

/// An IPv6 extension header (RFC 8200, section 4): type is 0 for hop-by-hop
/// options, 43 routing, 44 fragment, 60 destination options. The body is what
/// follows the first two bytes, padded with zeros to 8 n + 6 bytes (zeros are
/// the Pad1 option).
struct Ipv6Extension {
    std::uint8_t type = 60;
    Bytes body{};
    std::optional<std::uint8_t> next_header{};
};

struct Udp {
    std::uint16_t source_port = 40000;
    std::uint16_t destination_port = 11211;
    std::optional<std::uint16_t> length{};
    std::optional<std::uint16_t> checksum{};
};

/// The 8 bytes that memcached puts before every UDP payload (protocol.txt, "UDP
/// protocol").
struct MemcachedFrame {
    std::uint16_t request_id = 1;
    std::uint16_t sequence = 0;
    std::uint16_t total = 1;
    std::uint16_t reserved = 0;
};

struct Payload {
    Bytes bytes;
};

using Layer = std::variant<Ethernet, Vlan, Ipv4, Ipv6, Ipv6Extension, Udp, MemcachedFrame, Payload>;

class Packet
{
  public:
    // Not inline: g++ 12 sees uninitialized members in moved variants otherwise.
    Packet(Layer layer); // NOLINT(google-explicit-constructor): meant to convert

    Packet &operator/=(Layer layer);
    Packet &operator/=(std::string_view text);

    /// The bytes of the packet. Throws Error on an address that is none.
    [[nodiscard]] Bytes build() const;

  private:
    std::vector<Layer> layers_;
};

template <typename Next>
Packet operator/(Packet packet, Next next)
{
    packet /= std::move(next);
    return packet;
}

template <typename First, typename Next>
requires std::constructible_from<Layer, First> &&(!std::same_as<First, Packet>)Packet
operator/(First first, Next next)
{
    return Packet(Layer(std::move(first))) / std::move(next);
}

/// RFC 1071's sum of 16-bit words over the bytes, folded but not complemented.
/// `sum` is what came before.
std::uint16_t internet_sum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0);

/// What parse() found. Views point into the frame that was given.
struct Parsed {
    Ethernet ethernet;
    std::vector<Vlan> vlans;
    std::optional<Ipv4> ipv4;              // its optional fields are all set
    std::optional<Ipv6> ipv6;              // the same
    Udp udp;                               // the same
    std::span<const std::uint8_t> payload; // of UDP
    bool ip_checksum_right = false;        // true for IPv6
    /// Right, or absent in IPv4 (0). A sum of the pseudo header only, as a local
    /// stack leaves it to the device, is not right.
    bool udp_checksum_right = false;
};

/// Takes a UDP packet apart; nothing if it is not a whole UDP packet over IPv4
/// or IPv6 without extension headers.
std::optional<Parsed> parse(std::span<const std::uint8_t> frame);

/// Cuts an untagged frame with IPv4, or with IPv6 without extension headers,
/// into IP fragments of at most `size` bytes of IP payload. size is a multiple
/// of 8. IPv4 fragments keep the id of the frame; IPv6 ones carry `id`.
std::vector<Bytes> fragments(const Bytes &frame, std::size_t size, std::uint32_t id = 1);

} // namespace bmc::test

#endif
