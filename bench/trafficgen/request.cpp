// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/request.h"

#include "bmc/protocol/udp_frame.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <fmt/format.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string>
#include <string_view>

namespace trafficgen
{

namespace
{

constexpr uint8_t ttl = 64;

template <class T>
void append(std::vector<uint8_t> &frame, const T &header)
{
    const auto *const bytes = reinterpret_cast<const uint8_t *>(&header);
    frame.insert(frame.end(), bytes, bytes + sizeof header);
}

/// Words of 16 bits as they lie in memory (RFC 1071), a last odd byte as if a zero
/// followed.
uint32_t sum_of(const void *bytes, size_t size)
{
    const auto *const from = static_cast<const uint8_t *>(bytes);
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i += 2) {
        uint16_t word = 0;
        std::memcpy(&word, from + i, std::min<size_t>(2, size - i));
        sum += word;
    }
    return sum;
}

uint16_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum + (sum >> 16));
}

void append_ethernet(std::vector<uint8_t> &frame, const Path &path)
{
    ether_header ethernet = {};

    std::copy_n(path.server_mac.byte, sizeof path.server_mac.byte, ethernet.ether_dhost);
    std::copy_n(path.client_mac.byte, sizeof path.client_mac.byte, ethernet.ether_shost);
    ethernet.ether_type = htons(path.server.family == AF_INET ? ETHERTYPE_IP : ETHERTYPE_IPV6);
    append(frame, ethernet);
}

/// The IP header; returns the sum of UDP's pseudo header.
uint32_t append_ip(std::vector<uint8_t> &frame, const Path &path, size_t udp_length)
{
    const uint32_t sum = htons(static_cast<uint16_t>(udp_length)) + htons(IPPROTO_UDP);

    if (path.server.family == AF_INET) {
        iphdr ip = {};
        ip.version = 4;
        ip.ihl = 5;
        ip.tot_len = htons(static_cast<uint16_t>(sizeof ip + udp_length));
        ip.frag_off = htons(IP_DF);
        ip.ttl = ttl;
        ip.protocol = IPPROTO_UDP;
        ip.saddr = path.client.v4.s_addr;
        ip.daddr = path.server.v4.s_addr;
        ip.check = static_cast<uint16_t>(~fold(sum_of(&ip, sizeof ip)));
        append(frame, ip);
        return sum + sum_of(&ip.saddr, 2 * sizeof ip.saddr);
    }
    ip6_hdr ip = {};
    ip.ip6_flow = htonl(0x60000000);
    ip.ip6_plen = htons(static_cast<uint16_t>(udp_length));
    ip.ip6_nxt = IPPROTO_UDP;
    ip.ip6_hlim = ttl;
    ip.ip6_src = path.client.v6;
    ip.ip6_dst = path.server.v6;
    append(frame, ip);
    return sum + sum_of(&ip.ip6_src, 2 * sizeof ip.ip6_src);
}

/// "get KEY KEY...\r\n" with zeros for the last `digits` bytes of each key.
std::string make_text(const Content &content, uint32_t keys, uint32_t digits)
{
    std::string key(content.key_size(), '\0');
    std::string text = "get";

    content.write_key(content.key_count() - 1, key.data());
    std::fill_n(key.end() - digits, digits, '\0');
    for (uint32_t i = 0; i < keys; i++)
        text += " " + key;
    return text + "\r\n";
}

} // namespace

Result<Request> make_request(const Path &path, const Content &content, uint32_t keys_per_request,
                             uint32_t mtu)
{
    constexpr std::string_view command = "get ";
    const auto digits = static_cast<uint32_t>(fmt::formatted_size("{}", content.key_count() - 1));
    const std::string text = make_text(content, keys_per_request, digits);
    const size_t udp_length = sizeof(udphdr) + BMC_FRAME_SIZE + text.size();
    Request request;

    append_ethernet(request.frame, path);
    uint32_t sum = append_ip(request.frame, path, udp_length);

    const auto udp_at = static_cast<uint32_t>(request.frame.size());
    udphdr udp = {};
    udp.dest = htons(path.server_port);
    udp.len = htons(static_cast<uint16_t>(udp_length));
    append(request.frame, udp);
    bmc_udp_frame header = {};
    header.total = htons(1);
    append(request.frame, header);
    request.frame.insert(request.frame.end(), text.begin(), text.end());
    sum += sum_of(request.frame.data() + udp_at, udp_length);

    const auto length = static_cast<uint32_t>(request.frame.size());
    const size_t longest = std::min<size_t>(TRAFFICGEN_FRAME_MAX, sizeof(ether_header) + mtu);
    if (length > longest || keys_per_request > TRAFFICGEN_KEYS_MAX)
        return error("make", fmt::format("a request of {} bytes", length),
                     fmt::format("one datagram of at most {} bytes is sent, and {} keys; use "
                                 "fewer or shorter keys",
                                 longest, TRAFFICGEN_KEYS_MAX));
    request.layout.length = length;
    request.layout.udp = udp_at;
    request.layout.first_key =
        static_cast<uint32_t>(udp_at + sizeof udp + sizeof header + command.size());
    request.layout.key_size = content.key_size();
    request.layout.key_count = keys_per_request;
    request.layout.digits = digits;
    request.layout.sum = sum;
    request.layout.first_port = path.first_client_port;
    request.layout.port_count = path.client_port_count;
    return request;
}

trafficgen_sink make_sink(const Path &path, const Content &content)
{
    trafficgen_sink sink = {};

    if (path.server.family == AF_INET) {
        sink.server[0] = path.server.v4.s_addr;
    } else {
        static_assert(sizeof sink.server == sizeof path.server.v6);
        std::memcpy(sink.server, &path.server.v6, sizeof sink.server);
        sink.is_ipv6 = 1;
    }
    sink.key_size = content.key_size();
    sink.server_port = htons(path.server_port);
    sink.first_port = path.first_client_port;
    sink.port_count = path.client_port_count;
    return sink;
}

} // namespace trafficgen
