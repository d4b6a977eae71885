// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * For the server's end. `echo` is the least that any server in the kernel must
 * do, and so the ceiling; `pass` is the least that a packet to a server behind
 * the kernel goes through.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP_BE   bpf_htons(0x0800)
#define ETH_P_IPV6_BE bpf_htons(0x86dd)

const volatile __u16 echo_port; /* network byte order */

/* Sends the datagram back to where it came from. The checksums stay right. */
static __always_inline int turn_around(struct ethhdr *eth, struct udphdr *udp)
{
    __u16 *mac = (__u16 *)eth;
    __u16 port = udp->source;
    __u32 i;

    udp->source = udp->dest;
    udp->dest = port;
    for (i = 0; i < 3; i++) {
        const __u16 two = mac[i];

        mac[i] = mac[3 + i];
        mac[3 + i] = two;
    }
    return XDP_TX;
}

SEC("xdp")
int echo(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;

    if ((void *)(eth + 1) > data_end)
        return XDP_PASS;
    if (eth->h_proto == ETH_P_IP_BE) {
        struct iphdr *ip = (void *)(eth + 1);
        struct udphdr *udp = (void *)(ip + 1);
        __be32 address;

        if ((void *)(udp + 1) > data_end || ip->ihl != 5 || ip->protocol != IPPROTO_UDP ||
            udp->dest != echo_port)
            return XDP_PASS;
        address = ip->saddr;
        ip->saddr = ip->daddr;
        ip->daddr = address;
        return turn_around(eth, udp);
    }
    if (eth->h_proto == ETH_P_IPV6_BE) {
        struct ipv6hdr *ip = (void *)(eth + 1);
        struct udphdr *udp = (void *)(ip + 1);
        struct in6_addr address;

        if ((void *)(udp + 1) > data_end || ip->nexthdr != IPPROTO_UDP || udp->dest != echo_port)
            return XDP_PASS;
        address = ip->saddr;
        ip->saddr = ip->daddr;
        ip->daddr = address;
        return turn_around(eth, udp);
    }
    return XDP_PASS;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
    (void)ctx;
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
