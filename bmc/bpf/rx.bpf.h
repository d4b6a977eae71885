/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_RX_BPF_H
#define BMC_BPF_RX_BPF_H

/*
 * Ingress, first stage: is this a get for our origin that can be believed? The
 * packet is only read here.
 */

#include "packet.bpf.h"

enum rx_stage { RX_HASH_KEYS, RX_WRITE_REPLY, RX_INVALIDATE, RX_STAGE_COUNT };

int hash_keys(struct xdp_md *ctx);
int write_reply(struct xdp_md *ctx);
int invalidate(struct xdp_md *ctx);

/* The stages; each is a program of its own so that the verifier walks it alone. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, RX_STAGE_COUNT);
    __uint(key_size, sizeof(__u32));
    __array(values, int(struct xdp_md *));
} rx_stages SEC(".maps") = {
    .values = {[RX_HASH_KEYS] = &hash_keys,
               [RX_WRITE_REPLY] = &write_reply,
               [RX_INVALIDATE] = &invalidate},
};

/* Lets the packet go on to the network stack, for a counted reason. */
static __always_inline int pass(enum bmc_counter reason)
{
    count(reason);
    return XDP_PASS;
}

/*
 * Lets a datagram that may hold writes go on, for this reason unless it does: each
 * is looked at first, by the stage `invalidate`.
 */
static __always_inline int pass_walked(struct xdp_md *ctx, struct rx_scratch *s,
                                       enum bmc_counter reason)
{
    s->reason = reason;
    s->cursor = BMC_FRAME_SIZE;
    bpf_tail_call(ctx, &rx_stages, RX_INVALIDATE);
    return pass(BMC_COUNTER_rx_pass_tail_call);
}

/* Ones' complement sum of a header of 4-byte words, not folded. */
static __always_inline __u64 sum_words(const __u32 *word, __u32 count)
{
    __u64 sum = 0;
    __u32 i;

#pragma unroll
    for (i = 0; i < count; i++)
        sum += word[i];
    return sum;
}

/* Sum of the pseudo header (RFC 768, RFC 8200 8.1), not folded. */
static __always_inline __u64 pseudo_header_sum(const struct rx_scratch *s, __u32 udp_length)
{
    __u64 sum = (__u64)bpf_htonl(udp_length) + bpf_htonl(IPPROTO_UDP);

    sum += (__u64)s->source.word[0] + s->destination.word[0];
    if (s->is_ipv6)
        sum += sum_words(s->source.word + 1, 3) + sum_words(s->destination.word + 1, 3);
    return sum;
}

/*
 * Whether the stack would take the datagram's checksum. It is right if all adds
 * up to 0xffff. A sender on this host may have left it to the device: then the
 * field holds the folded sum of the pseudo header alone (linux/skbuff.h,
 * CHECKSUM_PARTIAL).
 */
static __always_inline int is_checksum_good(struct rx_scratch *s, const struct udphdr *udp,
                                            __u32 udp_length, __u32 payload_length)
{
    __u64 pseudo = pseudo_header_sum(s, udp_length);
    __u64 sum;

    if (!udp->check)
        return !s->is_ipv6;
    sum = pseudo + sum_words((const __u32 *)udp, 2) + text_sum(&s->request, 0, payload_length);
    if (bmc_sum_fold(sum) == 0xffff)
        return 1;
    return bmc_config.partial_checksums && udp->check == bmc_sum_fold(pseudo);
}

static __always_inline enum bmc_counter kind_reason(enum packet_kind kind)
{
    switch (kind) {
    case PACKET_FRAGMENT:
        return BMC_COUNTER_rx_pass_fragment;
    case PACKET_OPTIONS:
        return BMC_COUNTER_rx_pass_ip_options;
    case PACKET_IP_HEADER:
        return BMC_COUNTER_rx_pass_ip_header;
    default:
        return BMC_COUNTER_rx_pass_udp_length;
    }
}

/*
 * Whether hits may be served at all now in the name of an endpoint; the
 * generation to serve them under.
 */
static __always_inline int origin_state(struct rx_scratch *s, __u32 endpoint,
                                        enum bmc_counter *reason)
{
    struct bmc_control *c = element(&control, 0);
    struct bpf_sock *socket;

    *reason = BMC_COUNTER_rx_pass_internal;
    if (!c)
        return 0;
    *reason = BMC_COUNTER_rx_pass_origin;
    socket = element(&sockets, endpoint);
    if (!socket)
        return 0;
    bpf_sk_release(socket); /* no reference was taken on a UDP socket; the verifier wants it */
    /*
     * The generation is read after the socket was seen: it then is of this origin or
     * a later one, not of one whose place this origin has taken.
     */
    bmc_barrier();
    s->generation = BMC_READ_ONCE(c->generation);
    bmc_barrier();
    *reason = BMC_COUNTER_rx_pass_generation;
    return !(s->generation & 1);
}

static __always_inline int do_rx_filter(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data;
    void *data_end = (void *)(long)ctx->data_end;
    struct rx_scratch *s = element(&rx_scratch, 0);
    enum bmc_counter reason;
    enum packet_kind kind;
    struct packet p = {};
    struct ethhdr *eth;
    struct udphdr *udp;
    __u32 payload, length, i;
    int is_get, address, port;

    if (!s)
        return pass(BMC_COUNTER_rx_pass_internal);

    kind = parse_udp(data, data_end, bpf_xdp_get_buff_len(ctx), &p);
    if (kind == PACKET_OTHER)
        return pass(BMC_COUNTER_rx_other);
    s->is_ipv6 = p.is_ipv6;
    s->l2_length = p.l2_length;
    if (p.is_ipv6) {
        struct ipv6hdr *ip = p.ip;

        for (i = 0; i < 4; i++) {
            s->source.word[i] = ip->saddr.in6_u.u6_addr32[i];
            s->destination.word[i] = ip->daddr.in6_u.u6_addr32[i];
        }
        address = find_addr6(&s->destination);
    } else {
        struct iphdr *ip = p.ip;

        s->source.word[0] = ip->saddr;
        s->destination.word[0] = ip->daddr;
        address = find_addr4(ip->daddr);
    }
    if (address == NOT_FOUND)
        return pass(BMC_COUNTER_rx_other);
    if (kind != PACKET_UDP)
        return pass(kind_reason(kind));
    udp = p.udp;
    port = find_port(udp->dest);
    if (port == NOT_FOUND)
        return pass(BMC_COUNTER_rx_other);

    count(BMC_COUNTER_rx_requests);
    eth = data;
    if (!is_our_mac(eth->h_dest) || (eth->h_source[0] & 1))
        return pass(BMC_COUNTER_rx_pass_mac);
    if (p.vlan && !is_our_vlan(p.vlan))
        return pass(BMC_COUNTER_rx_pass_vlan);
    if (p.is_ipv6 ? is_bad_source6(&s->source) : is_bad_source4(s->source.word[0]))
        return pass(BMC_COUNTER_rx_pass_address);
    if (!udp->source)
        return pass(BMC_COUNTER_rx_pass_address);
    if (!p.is_ipv6 && bmc_sum_fold(sum_words(p.ip, IPV4_HEADER_SIZE / 4)) != 0xffff)
        return pass(BMC_COUNTER_rx_pass_ip_header);

    length = p.udp_length - UDP_HEADER_SIZE;
    if (length > BMC_PAYLOAD_MAX)
        return pass(BMC_COUNTER_rx_pass_too_long);
    if (length <= BMC_FRAME_SIZE)
        return pass(BMC_COUNTER_rx_pass_frame_header);
    payload = (void *)(udp + 1) - data;
    if (bpf_xdp_load_bytes(ctx, payload, s->request.byte, length))
        return pass(BMC_COUNTER_rx_pass_internal);
    if (!is_checksum_good(s, udp, p.udp_length, length))
        return pass(BMC_COUNTER_rx_pass_checksum);
    if (!bmc_frame_is_whole(&s->request))
        return pass(BMC_COUNTER_rx_pass_frame_header);

    /* Ethernet and tags are kept for the reply; VLAN tags go back as they came. */
    s->l2[0] = *(__u64 *)data;
    s->l2[1] = *(__u32 *)(data + 8) | ((__u64) * (__u16 *)(data + 12) << 32);
    s->l2[2] = 0;
    if (p.l2_length > ETH_HEADER_SIZE)
        s->l2[2] = *(__u32 *)(data + 14);
    if (p.l2_length > ETH_HEADER_SIZE + VLAN_TAG_SIZE)
        s->l2[2] |= (__u64) * (__u32 *)(data + 18) << 32;
    s->source_port = udp->source;
    s->destination_port = udp->dest;
    s->request_length = length;
    s->keys = s->values = 0;
    s->commands = s->writes = 0;
    s->text_length = s->text_sum = 0;
    is_get = bmc_half(s->request.byte + BMC_FRAME_SIZE) == BMC_FOUR('g', 'e', 't', ' ');

    if (is_get && bmc_two(s->request.byte + length - 2) == BMC_CRLF) {
        count(BMC_COUNTER_rx_gets);
        if (!origin_state(s, bmc_endpoint(address, port), &reason))
            return pass(reason);
        s->cursor = BMC_FRAME_SIZE + 4;
        bpf_tail_call(ctx, &rx_stages, RX_HASH_KEYS);
        return pass(BMC_COUNTER_rx_pass_tail_call);
    }
    return pass_walked(ctx, s, is_get ? BMC_COUNTER_rx_pass_syntax : BMC_COUNTER_rx_pass_command);
}

#endif
