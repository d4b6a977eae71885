/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_PACKET_BPF_H
#define BMC_BPF_PACKET_BPF_H

/*
 * Headers from Ethernet to UDP, each checked against the end of the packet and
 * against each other, for both directions.
 */

#include "maps.bpf.h"
#include <bpf/bpf_endian.h>

#define ETH_P_IP_BE     bpf_htons(0x0800)
#define ETH_P_IPV6_BE   bpf_htons(0x86dd)
#define ETH_P_8021Q_BE  bpf_htons(0x8100)
#define ETH_P_8021AD_BE bpf_htons(0x88a8)

/* Extension headers, RFC 8200 4; macros in the kernel, so not in its BTF. */
#define NEXTHDR_HOP      0
#define NEXTHDR_ROUTING  43
#define NEXTHDR_FRAGMENT 44
#define NEXTHDR_DEST     60

#define ETH_HEADER_SIZE  14
#define VLAN_TAG_SIZE    4
#define VLAN_TAGS_MAX    2
#define VLAN_ID_MASK     0x0fff
#define IPV4_HEADER_SIZE 20
#define IPV6_HEADER_SIZE 40
#define UDP_HEADER_SIZE  8
/* More fragments, or an offset: any but the don't-fragment and reserved bits. */
#define IPV4_FRAGMENT_BE bpf_htons(0x3fff)

/* What parse_udp() says of a packet. */
enum packet_kind {
    PACKET_UDP,   /* plain in every header */
    PACKET_OTHER, /* not IP, or not UDP, or cut short: nobody's business here */
    PACKET_FRAGMENT,
    PACKET_OPTIONS,   /* IPv4 options or IPv6 extension headers */
    PACKET_IP_HEADER, /* version or length wrong */
    PACKET_UDP_LENGTH
};

/* A UDP datagram's headers. Offsets count from the start of the frame. */
struct packet {
    __u32 l2_length;
    __u32 is_ipv6;
    __u32 vlan;       /* identifiers of the tags, as BMC_VLAN */
    __u32 tags;       /* of them, those that the kernel has taken out of the frame */
    __u32 udp_length; /* header and payload; set for PACKET_UDP only */
    void *ip;
    struct udphdr *udp; /* set for PACKET_UDP only */
};

/*
 * Walks Ethernet, up to two VLAN tags, IP and UDP. p->ip is set unless
 * PACKET_OTHER comes back; the fixed part of its header is then inside the
 * packet. Lengths agree for PACKET_UDP: the IP packet is inside the frame (which
 * may be padded behind it) and the datagram fills it exactly. `frame_length`
 * counts also what lies behind data_end (fragments of a jumbo frame). p->vlan and
 * p->tags tell of tags that are no longer in the frame.
 */
static __always_inline enum packet_kind parse_udp(void *data, void *data_end, __u32 frame_length,
                                                  struct packet *p)
{
    struct ethhdr *eth = data;
    void *at = eth + 1;
    __u16 protocol;
    __u32 i, ip_length;

    if (at > data_end)
        return PACKET_OTHER;
    protocol = eth->h_proto;
    for (i = p->tags; i < VLAN_TAGS_MAX; i++) {
        struct vlan_hdr *tag = at;

        if (protocol != ETH_P_8021Q_BE && protocol != ETH_P_8021AD_BE)
            break;
        if ((void *)(tag + 1) > data_end)
            return PACKET_OTHER;
        if (protocol == ETH_P_8021AD_BE)
            p->vlan |= BMC_VLAN_SERVICE;
        p->vlan |= (bpf_ntohs(tag->h_vlan_TCI) & VLAN_ID_MASK) << (12 * i);
        protocol = tag->h_vlan_encapsulated_proto;
        at = tag + 1;
    }
    p->l2_length = at - data;
    p->ip = at;

    if (protocol == ETH_P_IP_BE) {
        struct iphdr *ip = at;

        if ((void *)(ip + 1) > data_end || ip->protocol != IPPROTO_UDP)
            return PACKET_OTHER;
        p->is_ipv6 = 0;
        if (ip->version != 4 || ip->ihl < 5)
            return PACKET_IP_HEADER;
        if (ip->frag_off & IPV4_FRAGMENT_BE)
            return PACKET_FRAGMENT;
        if (ip->ihl != 5)
            return PACKET_OPTIONS;
        ip_length = bpf_ntohs(ip->tot_len);
        if (ip_length < IPV4_HEADER_SIZE || p->l2_length + ip_length > frame_length)
            return PACKET_IP_HEADER;
        p->udp_length = ip_length - IPV4_HEADER_SIZE;
        p->udp = (void *)(ip + 1);
    } else if (protocol == ETH_P_IPV6_BE) {
        struct ipv6hdr *ip = at;

        if ((void *)(ip + 1) > data_end)
            return PACKET_OTHER;
        p->is_ipv6 = 1;
        if (ip->version != 6)
            return PACKET_IP_HEADER;
        switch (ip->nexthdr) {
        case IPPROTO_UDP:
            break;
        case NEXTHDR_FRAGMENT:
            return PACKET_FRAGMENT;
        case NEXTHDR_HOP:
        case NEXTHDR_ROUTING:
        case NEXTHDR_DEST:
            return PACKET_OPTIONS;
        default:
            return PACKET_OTHER;
        }
        p->udp_length = bpf_ntohs(ip->payload_len);
        if (p->l2_length + IPV6_HEADER_SIZE + p->udp_length > frame_length)
            return PACKET_IP_HEADER;
        p->udp = (void *)(ip + 1);
    } else {
        return PACKET_OTHER;
    }

    if ((void *)(p->udp + 1) > data_end)
        return PACKET_UDP_LENGTH;
    if (p->udp_length < UDP_HEADER_SIZE || bpf_ntohs(p->udp->len) != p->udp_length)
        return PACKET_UDP_LENGTH;
    return PACKET_UDP;
}

/*
 * Place of a port (network byte order) among those that the origin serves, or
 * NOT_FOUND. Global, as the next two: see text_sum().
 */
#define NOT_FOUND (-1)

__noinline int find_port(__u16 port)
{
    __u32 i;

    for (i = 0; i < BMC_MAX_PORTS && i < bmc_config.served.port_count; i++)
        if (port == bmc_config.served.port[i])
            return i;
    return NOT_FOUND;
}

/* Place of an address among those that the origin serves, or NOT_FOUND. */
__noinline int find_addr4(__u32 address)
{
    __u32 i;

    for (i = 0; i < BMC_MAX_ADDRESSES && i < bmc_config.served.addr4_count; i++)
        if (address == bmc_config.served.addr4[i])
            return i;
    return NOT_FOUND;
}

__noinline int find_addr6(struct bmc_addr6 *address)
{
    __u32 i;

    if (!address)
        return NOT_FOUND;
    for (i = 0; i < BMC_MAX_ADDRESSES && i < bmc_config.served.addr6_count; i++) {
        const volatile struct bmc_addr6 *ours = &bmc_config.served.addr6[i];

        if (address->word[0] == ours->word[0] && address->word[1] == ours->word[1] &&
            address->word[2] == ours->word[2] && address->word[3] == ours->word[3])
            return BMC_MAX_ADDRESSES + i;
    }
    return NOT_FOUND;
}

/* Whether a list of the configuration, `count` of at most `max` long, has the value. */
static __always_inline int is_listed(const volatile __u32 *list, __u32 count, __u32 max,
                                     __u32 value)
{
    __u32 i;

    for (i = 0; i < max && i < count; i++)
        if (value == list[i])
            return 1;
    return 0;
}

static __always_inline int is_our_mac(const __u8 *mac)
{
    __u32 i;

    const __u64 wanted = *(const __u32 *)mac | ((__u64) * (const __u16 *)(mac + 4) << 32);

    for (i = 0; i < BMC_MAX_MACS && i < bmc_config.mac_count; i++)
        if (wanted == *(const volatile __u64 *)&bmc_config.mac[i])
            return 1;
    return 0;
}

/* Whether the host has a device for these tags. Global: see text_sum(). */
__noinline int is_our_vlan(__u32 vlan)
{
    return is_listed(bmc_config.vlan, bmc_config.vlan_count, BMC_MAX_VLANS, vlan);
}

/*
 * Sources that the IP stack would not answer: this network, loopback, multicast,
 * reserved (RFC 1122 3.2.1.3, RFC 4291 2.5 to 2.7), the broadcast addresses of our
 * subnets, and our own addresses coming from outside. Global: see text_sum().
 */
__noinline int is_bad_source4(__u32 address)
{
    __u8 top = bpf_ntohl(address) >> 24;

    return top == 0 || top == 127 || top >= 224 || find_addr4(address) != NOT_FOUND ||
           is_listed(bmc_config.broadcast4, bmc_config.broadcast4_count, BMC_MAX_ADDRESSES,
                     address);
}

__noinline int is_bad_source6(struct bmc_addr6 *address)
{
    const __u32 *word;

    if (!address)
        return 1;
    word = address->word;
    if ((bpf_ntohl(word[0]) >> 24) == 0xff)
        return 1;
    if (!(word[0] | word[1] | word[2]) && bpf_ntohl(word[3]) <= 1)
        return 1;
    return find_addr6(address) != NOT_FOUND;
}

#endif
