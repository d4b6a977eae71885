/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_REPLY_BPF_H
#define BMC_BPF_REPLY_BPF_H

/*
 * Ingress, last stage: every key is answered. The reply is finished in scratch
 * memory, headers and all; only then is the frame resized and overwritten, and
 * what was resized before a refusal is resized back.
 */

#include "rx.bpf.h"

#define REPLY_TTL 64 /* the recommended default of RFC 1700, and Linux's */
/*
 * A reply that is larger than every IPv6 link's MTU may not fit the path: over
 * IPv6, where nobody on the way can cut it, it is left to the stack.
 */
#define IPV6_MTU_MIN 1280 /* RFC 8200 5 */
/* Replies below this fit any interface whose MTU was checked at load. */
#define MTU_CHECK_FROM 576 /* RFC 791: what every host takes */

static __always_inline void write_ethernet(const struct rx_scratch *s, __u8 *to)
{
    const __u32 *l2 = (const __u32 *)s->l2; /* destination, source, type, tags */
    __u16 *half = (__u16 *)to;

    /* Words of four bytes: dddd ddss ssss tttt; source and destination change places. */
    half[0] = l2[1] >> 16;
    half[1] = l2[2];
    half[2] = l2[2] >> 16;
    half[3] = l2[0];
    half[4] = l2[0] >> 16;
    half[5] = l2[1];
    half[6] = l2[3];
    half[7] = l2[4];
    half[8] = l2[4] >> 16;
    half[9] = l2[5];
    half[10] = l2[5] >> 16;
}

static __always_inline void write_ipv4(const struct rx_scratch *s, __u8 *to, __u32 udp_length)
{
    struct iphdr *ip = (struct iphdr *)to;

    /*
     * No path MTU is known here, so routers may fragment: the identification is
     * random (RFC 6864).
     */
    *(__u32 *)to = bpf_htonl(0x45000000 | (IPV4_HEADER_SIZE + udp_length));
    ip->id = bpf_get_prandom_u32();
    ip->frag_off = 0;
    ip->ttl = REPLY_TTL;
    ip->protocol = IPPROTO_UDP;
    ip->check = 0;
    ip->saddr = s->destination.word[0];
    ip->daddr = s->source.word[0];
    ip->check = ~bmc_sum_fold(sum_words((const __u32 *)to, IPV4_HEADER_SIZE / 4));
}

static __always_inline void write_ipv6(const struct rx_scratch *s, __u8 *to, __u32 udp_length)
{
    __u32 *word = (__u32 *)to;
    __u32 i;

    word[0] = bpf_htonl(0x60000000);
    word[1] = bpf_htonl((udp_length << 16) | (IPPROTO_UDP << 8) | REPLY_TTL);
    for (i = 0; i < 4; i++) {
        word[2 + i] = s->destination.word[i];
        word[6 + i] = s->source.word[i];
    }
}

/* UDP and frame header in front of the finished text. */
static __always_inline void write_udp(struct rx_scratch *s, __u8 *to, __u32 udp_length,
                                      __u64 text_sum)
{
    struct udphdr *udp = (struct udphdr *)to;
    struct bmc_udp_frame *frame = (struct bmc_udp_frame *)(udp + 1);
    __u64 sum;

    udp->source = s->destination_port;
    udp->dest = s->source_port;
    udp->len = bpf_htons(udp_length);
    udp->check = 0;
    frame->request_id = *(__u16 *)s->request.byte;
    frame->sequence = 0;
    frame->total = bpf_htons(1);
    frame->reserved = 0;
    sum = pseudo_header_sum(s, udp_length) + sum_words((const __u32 *)to, 4) + text_sum;
    udp->check = ~bmc_sum_fold(sum);
    if (!udp->check)
        udp->check = 0xffff; /* RFC 768: zero would mean none */
}

/*
 * Makes the frame `grow` bytes longer (or shorter), behind or, where there is no
 * room, in front: small packets over veth have no tail room. *at_head tells
 * which, for resize_back().
 */
static __always_inline int resize(struct xdp_md *ctx, int grow, int *at_head)
{
    *at_head = 0;
    if (!grow || !bpf_xdp_adjust_tail(ctx, grow))
        return 0;
    *at_head = 1;
    return bpf_xdp_adjust_head(ctx, -grow);
}

static __always_inline void resize_back(struct xdp_md *ctx, int grow, int at_head)
{
    if (!grow)
        return;
    if (at_head)
        bpf_xdp_adjust_head(ctx, grow);
    else
        bpf_xdp_adjust_tail(ctx, -grow);
}

/*
 * Whether a reply of so many bytes of IP packet may leave: within the MTU of the
 * interface as it is now, and within what any path takes where nobody on the
 * way can fragment.
 */
static __always_inline int fits_mtu(struct xdp_md *ctx, const struct rx_scratch *s, __u32 ip_length)
{
    __u32 mtu = ip_length; /* in: length to check; out: the MTU */

    if (ip_length > bmc_config.mtu || (s->is_ipv6 && ip_length > IPV6_MTU_MIN))
        return 0;
    return ip_length <= MTU_CHECK_FROM || !bpf_check_mtu(ctx, 0, &mtu, 0, 0);
}

static __always_inline int do_write_reply(struct xdp_md *ctx)
{
    struct rx_scratch *s = element(&rx_scratch, 0);
    __u32 text_length, udp_length, ip_header, start, length, sum;
    int grow, at_head;
    __u8 *text;

    if (!s)
        return pass(BMC_COUNTER_rx_pass_internal);
    text_length = s->text_length;
    if (text_length > BMC_DATAGRAM_DATA - BMC_CLOSING_SIZE)
        return pass(BMC_COUNTER_rx_pass_too_large);
    udp_length = UDP_HEADER_SIZE + BMC_FRAME_SIZE + text_length + BMC_CLOSING_SIZE;
    ip_header = s->is_ipv6 ? IPV6_HEADER_SIZE : IPV4_HEADER_SIZE;
    if (!fits_mtu(ctx, s, ip_header + udp_length))
        return pass(BMC_COUNTER_rx_pass_mtu);

    text = s->reply.byte + BMC_REPLY_HEADERS;
    *(__u32 *)(text + text_length) = BMC_FOUR('E', 'N', 'D', '\r');
    text[text_length + 4] = '\n';
    sum = bmc_sum_fold((__u64)BMC_FOUR('E', 'N', 'D', '\r') + '\n');
    if (text_length & 1)
        sum = bmc_sum_swap(sum);

    start = BMC_REPLY_HEADERS - UDP_HEADER_SIZE - BMC_FRAME_SIZE - ip_header - s->l2_length;
    if (start > BMC_REPLY_HEADERS - IPV4_HEADER_SIZE - ETH_HEADER_SIZE)
        return pass(BMC_COUNTER_rx_pass_internal);
    /* In this order: Ethernet is written with room for two tags, used or not. */
    write_ethernet(s, s->reply.byte + start);
    if (s->is_ipv6)
        write_ipv6(s, text - BMC_FRAME_SIZE - UDP_HEADER_SIZE - IPV6_HEADER_SIZE, udp_length);
    else
        write_ipv4(s, text - BMC_FRAME_SIZE - UDP_HEADER_SIZE - IPV4_HEADER_SIZE, udp_length);
    write_udp(s, text - BMC_FRAME_SIZE - UDP_HEADER_SIZE, udp_length, (__u64)s->text_sum + sum);

    length = s->l2_length + ip_header + udp_length;
    if (length > BMC_REPLY_HEADERS + BMC_UDP_PAYLOAD_MAX || length < ETH_HEADER_SIZE)
        return pass(BMC_COUNTER_rx_pass_internal);
    grow = (int)length - (int)bpf_xdp_get_buff_len(ctx);
    if (resize(ctx, grow, &at_head))
        return pass(BMC_COUNTER_rx_pass_room);
    if (bpf_xdp_store_bytes(ctx, 0, s->reply.byte + start, length)) {
        resize_back(ctx, grow, at_head);
        return pass(BMC_COUNTER_rx_pass_internal);
    }
    count(BMC_COUNTER_hit);
    count_add(BMC_COUNTER_hit_keys, s->values);
    count_add(BMC_COUNTER_hit_absent_keys, s->keys - s->values);
    return XDP_TX;
}

#endif
