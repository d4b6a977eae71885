// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/packet.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstdio>
#include <cstring>
#include <utility>

#include "tests/harness/error.h"

namespace bmc::test
{

namespace
{

constexpr std::size_t ethernet_size = 14;
constexpr std::size_t vlan_size = 4;
constexpr std::size_t ipv4_size = 20;
constexpr std::size_t ipv6_size = 40;
constexpr std::size_t udp_size = 8;

void put8(Bytes &to, unsigned value)
{
    to.push_back(static_cast<std::uint8_t>(value));
}

void put16(Bytes &to, unsigned value)
{
    put8(to, value >> 8);
    put8(to, value & 0xff);
}

void set16(Bytes &in, std::size_t at, unsigned value)
{
    in.at(at) = static_cast<std::uint8_t>(value >> 8);
    in.at(at + 1) = static_cast<std::uint8_t>(value & 0xff);
}

std::uint16_t get16(std::span<const std::uint8_t> from, std::size_t at)
{
    return static_cast<std::uint16_t>(from[at] << 8 | from[at + 1]);
}

Bytes address(const std::string &text, int family)
{
    Bytes bytes(family == AF_INET ? 4 : 16);

    if (::inet_pton(family, text.c_str(), bytes.data()) != 1)
        throw Error(text + " is not an address of this family");
    return bytes;
}

std::string address_text(std::span<const std::uint8_t> bytes)
{
    std::array<char, INET6_ADDRSTRLEN> text{};

    ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
    return text.data();
}

Bytes joined(Bytes first, const Bytes &second)
{
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

// The folded sum of the pseudo header (RFC 768; RFC 8200, section 8.1).
std::uint16_t pseudo_header_sum(const Bytes &source, const Bytes &destination, std::size_t length)
{
    return internet_sum(destination,
                        internet_sum(source, protocol_udp + static_cast<std::uint32_t>(length)));
}

std::uint16_t udp_checksum(std::span<const std::uint8_t> datagram, std::uint16_t pseudo)
{
    const std::uint16_t sum = internet_sum(datagram, pseudo);

    // 0 means "no checksum", so a sum of 0 is sent as its other representation.
    return sum == 0xffff ? 0xffff : static_cast<std::uint16_t>(~sum);
}

std::uint8_t protocol_of(const Layer *layer)
{
    if (layer == nullptr)
        return 59; // no next header
    if (const auto *extension = std::get_if<Ipv6Extension>(layer))
        return extension->type;
    return protocol_udp;
}

std::uint16_t ethertype_of(const Layer *layer)
{
    if (layer == nullptr)
        return 0;
    if (const auto *vlan = std::get_if<Vlan>(layer))
        return vlan->tpid;
    return std::holds_alternative<Ipv6>(*layer) ? ethertype_ipv6 : ethertype_ipv4;
}

// What a layer needs to know of its neighbours.
struct Around {
    const Layer *next = nullptr; // inside
    const Layer *ip = nullptr;   // nearest IP header outside
};

Bytes put(const Ethernet &layer, const Around &around, const Bytes &inner)
{
    Bytes out(layer.destination.begin(), layer.destination.end());

    out.insert(out.end(), layer.source.begin(), layer.source.end());
    put16(out, layer.type.value_or(ethertype_of(around.next)));
    return joined(std::move(out), inner);
}

Bytes put(const Vlan &layer, const Around &around, const Bytes &inner)
{
    Bytes out;

    put16(out, static_cast<unsigned>(layer.priority) << 13 | (layer.id & 0xfff));
    put16(out, layer.type.value_or(ethertype_of(around.next)));
    return joined(std::move(out), inner);
}

Bytes put(const Ipv4 &layer, const Around &around, const Bytes &inner)
{
    Bytes options = layer.options;
    Bytes out;

    options.resize((options.size() + 3) / 4 * 4);
    const std::size_t header = ipv4_size + options.size();
    put8(out, static_cast<unsigned>(layer.version) << 4 |
                  layer.header_words.value_or(static_cast<std::uint8_t>(header / 4)));
    put8(out, layer.tos);
    put16(out, layer.total_length.value_or(static_cast<std::uint16_t>(header + inner.size())));
    put16(out, layer.id);
    put16(out, (layer.dont_fragment ? 0x4000U : 0U) | (layer.more_fragments ? 0x2000U : 0U) |
                   (layer.fragment_offset & 0x1fff));
    put8(out, layer.ttl);
    put8(out, layer.protocol.value_or(protocol_of(around.next)));
    put16(out, 0);
    out = joined(std::move(out), address(layer.source, AF_INET));
    out = joined(std::move(out), address(layer.destination, AF_INET));
    out = joined(std::move(out), options);
    set16(out, 10, layer.checksum.value_or(static_cast<std::uint16_t>(~internet_sum(out))));
    return joined(std::move(out), inner);
}

Bytes put(const Ipv6 &layer, const Around &around, const Bytes &inner)
{
    Bytes out;

    put16(out, static_cast<unsigned>(layer.version) << 12 |
                   static_cast<unsigned>(layer.traffic_class) << 4 |
                   (layer.flow_label >> 16 & 0xf));
    put16(out, layer.flow_label & 0xffff);
    put16(out, layer.payload_length.value_or(static_cast<std::uint16_t>(inner.size())));
    put8(out, layer.next_header.value_or(protocol_of(around.next)));
    put8(out, layer.hop_limit);
    out = joined(std::move(out), address(layer.source, AF_INET6));
    out = joined(std::move(out), address(layer.destination, AF_INET6));
    return joined(std::move(out), inner);
}

Bytes put(const Ipv6Extension &layer, const Around &around, const Bytes &inner)
{
    Bytes body = layer.body;
    Bytes out;

    body.resize((body.size() + 2 + 7) / 8 * 8 - 2);
    put8(out, layer.next_header.value_or(protocol_of(around.next)));
    put8(out, static_cast<unsigned>((body.size() + 2) / 8 - 1)); // 0 for a fragment header
    return joined(joined(std::move(out), body), inner);
}

Bytes put(const Udp &layer, const Around &around, const Bytes &inner)
{
    const auto length = layer.length.value_or(static_cast<std::uint16_t>(udp_size + inner.size()));
    Bytes out;

    put16(out, layer.source_port);
    put16(out, layer.destination_port);
    put16(out, length);
    put16(out, layer.checksum.value_or(0));
    out = joined(std::move(out), inner);
    if (!layer.checksum && around.ip != nullptr) {
        const auto *v4 = std::get_if<Ipv4>(around.ip);
        const auto *v6 = std::get_if<Ipv6>(around.ip);
        const int family = v4 != nullptr ? AF_INET : AF_INET6;
        const Bytes source = address(v4 != nullptr ? v4->source : v6->source, family);
        const Bytes destination =
            address(v4 != nullptr ? v4->destination : v6->destination, family);
        // The receiver sums as many bytes as the header says.
        const std::span<const std::uint8_t> summed(out.data(),
                                                   std::min<std::size_t>(length, out.size()));

        set16(out, 6, udp_checksum(summed, pseudo_header_sum(source, destination, length)));
    }
    return out;
}

Bytes put(const MemcachedFrame &layer, const Around & /*around*/, const Bytes &inner)
{
    Bytes out;

    put16(out, layer.request_id);
    put16(out, layer.sequence);
    put16(out, layer.total);
    put16(out, layer.reserved);
    return joined(std::move(out), inner);
}

Bytes put(const Payload &layer, const Around & /*around*/, const Bytes &inner)
{
    return joined(layer.bytes, inner);
}

} // namespace

Bytes bytes_of(std::string_view text)
{
    return {text.begin(), text.end()};
}

std::string text_of(std::span<const std::uint8_t> bytes)
{
    return {bytes.begin(), bytes.end()};
}

Mac mac_of(const std::string &text)
{
    Mac mac{};
    int used = 0;

    if (std::sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1],
                    &mac[2], &mac[3], &mac[4], &mac[5], &used) != 6 ||
        static_cast<std::size_t>(used) != text.size())
        throw Error("'" + text + "' is not an Ethernet address");
    return mac;
}

std::uint16_t internet_sum(std::span<const std::uint8_t> bytes, std::uint32_t sum)
{
    std::uint64_t total = sum;

    for (std::size_t i = 0; i < bytes.size(); i++)
        total += i % 2 == 0 ? static_cast<std::uint64_t>(bytes[i]) << 8 : bytes[i];
    while (total > 0xffff)
        total = (total & 0xffff) + (total >> 16);
    return static_cast<std::uint16_t>(total);
}

Packet::Packet(Layer layer)
{
    layers_.push_back(std::move(layer));
}

Packet &Packet::operator/=(Layer layer)
{
    layers_.push_back(std::move(layer));
    return *this;
}

Packet &Packet::operator/=(std::string_view text)
{
    return *this /= Layer(Payload{bytes_of(text)});
}

Bytes Packet::build() const
{
    Bytes out;

    for (std::size_t i = layers_.size(); i-- > 0;) {
        Around around;

        around.next = i + 1 < layers_.size() ? &layers_[i + 1] : nullptr;
        for (std::size_t k = i; k-- > 0 && around.ip == nullptr;) {
            if (std::holds_alternative<Ipv4>(layers_[k]) ||
                std::holds_alternative<Ipv6>(layers_[k]))
                around.ip = &layers_[k];
        }
        out = std::visit([&](const auto &layer) { return put(layer, around, out); }, layers_[i]);
    }
    return out;
}

std::optional<Parsed> parse(std::span<const std::uint8_t> frame)
{
    Parsed p;
    Bytes source, destination;
    std::size_t at = ethernet_size;
    std::size_t ip_end = 0;

    if (frame.size() < ethernet_size)
        return std::nullopt;
    std::copy_n(frame.begin(), 6, p.ethernet.destination.begin());
    std::copy_n(frame.begin() + 6, 6, p.ethernet.source.begin());
    std::uint16_t type = get16(frame, 12);
    p.ethernet.type = type;
    while (type == ethertype_vlan || type == 0x88a8) {
        if (frame.size() < at + vlan_size)
            return std::nullopt;
        const std::uint16_t tag = get16(frame, at);
        Vlan vlan;
        vlan.tpid = type;
        vlan.id = tag & 0xfff;
        vlan.priority = static_cast<std::uint8_t>(tag >> 13);
        vlan.type = type = get16(frame, at + 2);
        p.vlans.push_back(vlan);
        at += vlan_size;
    }

    const auto ip = frame.subspan(at);
    if (type == ethertype_ipv4 && ip.size() >= ipv4_size) {
        Ipv4 h;
        h.version = ip[0] >> 4;
        h.header_words = ip[0] & 0xf;
        const std::size_t header = static_cast<std::size_t>(*h.header_words) * 4;
        h.tos = ip[1];
        h.total_length = get16(ip, 2);
        h.id = get16(ip, 4);
        h.dont_fragment = (ip[6] & 0x40) != 0;
        h.more_fragments = (ip[6] & 0x20) != 0;
        h.fragment_offset = get16(ip, 6) & 0x1fff;
        h.ttl = ip[8];
        h.protocol = ip[9];
        h.checksum = get16(ip, 10);
        source.assign(ip.begin() + 12, ip.begin() + 16);
        destination.assign(ip.begin() + 16, ip.begin() + 20);
        h.source = address_text(source);
        h.destination = address_text(destination);
        if (h.version != 4 || header < ipv4_size || *h.total_length > ip.size() ||
            *h.total_length < header || *h.protocol != protocol_udp || h.more_fragments ||
            h.fragment_offset != 0)
            return std::nullopt;
        h.options.assign(ip.begin() + ipv4_size, ip.begin() + static_cast<std::ptrdiff_t>(header));
        p.ip_checksum_right = internet_sum(ip.first(header)) == 0xffff;
        at += header;
        ip_end = *h.total_length;
        p.ipv4 = h;
    } else if (type == ethertype_ipv6 && ip.size() >= ipv6_size) {
        Ipv6 h;
        h.version = ip[0] >> 4;
        h.traffic_class = static_cast<std::uint8_t>(get16(ip, 0) >> 4 & 0xff);
        h.flow_label = static_cast<std::uint32_t>(get16(ip, 0) & 0xf) << 16 | get16(ip, 2);
        h.payload_length = get16(ip, 4);
        h.next_header = ip[6];
        h.hop_limit = ip[7];
        source.assign(ip.begin() + 8, ip.begin() + 24);
        destination.assign(ip.begin() + 24, ip.begin() + 40);
        h.source = address_text(source);
        h.destination = address_text(destination);
        if (h.version != 6 || ipv6_size + *h.payload_length > ip.size() ||
            *h.next_header != protocol_udp)
            return std::nullopt;
        p.ip_checksum_right = true;
        at += ipv6_size;
        ip_end = ipv6_size + *h.payload_length;
        p.ipv6 = h;
    } else {
        return std::nullopt;
    }

    const auto datagram = ip.first(ip_end).subspan(at - (frame.size() - ip.size()));
    if (datagram.size() < udp_size)
        return std::nullopt;
    p.udp.source_port = get16(datagram, 0);
    p.udp.destination_port = get16(datagram, 2);
    p.udp.length = get16(datagram, 4);
    p.udp.checksum = get16(datagram, 6);
    if (*p.udp.length < udp_size || *p.udp.length > datagram.size())
        return std::nullopt;
    p.payload = datagram.first(*p.udp.length).subspan(udp_size);
    p.udp_checksum_right =
        (*p.udp.checksum == 0 && p.ipv4) ||
        (*p.udp.checksum != 0 &&
         internet_sum(datagram.first(*p.udp.length),
                      pseudo_header_sum(source, destination, *p.udp.length)) == 0xffff);
    return p;
}

std::vector<Bytes> fragments(const Bytes &frame, std::size_t size, std::uint32_t id)
{
    const bool v4 = get16(frame, 12) == ethertype_ipv4;
    const std::size_t header = ethernet_size + (v4 ? (frame.at(14) & 0xfU) * 4 : ipv6_size);
    std::vector<Bytes> result;

    if (size == 0 || size % 8 != 0)
        throw Error("fragments are multiples of 8 bytes");
    for (std::size_t at = header; at < frame.size(); at += size) {
        const std::size_t part = std::min(size, frame.size() - at);
        const bool more = at + part < frame.size();
        const auto offset = static_cast<unsigned>((at - header) / 8);
        Bytes out(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(header));

        if (v4) {
            const auto ip = std::span(out).subspan(ethernet_size);

            set16(out, ethernet_size + 2, static_cast<unsigned>(ip.size() + part));
            set16(out, ethernet_size + 6, (more ? 0x2000U : 0U) | offset);
            set16(out, ethernet_size + 10, 0);
            set16(out, ethernet_size + 10, static_cast<std::uint16_t>(~internet_sum(ip)));
        } else {
            set16(out, ethernet_size + 4, static_cast<unsigned>(8 + part));
            const std::uint8_t protocol =
                std::exchange(out.at(ethernet_size + 6), protocol_fragment);
            put8(out, protocol);
            put8(out, 0);
            put16(out, offset << 3 | (more ? 1U : 0U));
            put16(out, id >> 16);
            put16(out, id & 0xffff);
        }
        out.insert(out.end(), frame.begin() + static_cast<std::ptrdiff_t>(at),
                   frame.begin() + static_cast<std::ptrdiff_t>(at + part));
        result.push_back(std::move(out));
    }
    return result;
}

} // namespace bmc::test
