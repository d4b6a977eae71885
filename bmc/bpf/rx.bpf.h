/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_RX_BPF_H
#define BMC_BPF_RX_BPF_H

/*
 * Ingress, first stage: is this a get for our origin that can be believed? It goes on
 * to the first of the keys without a tail call, which most gets then need none of.
 */

#include "keys.bpf.h"

/*
 * Whether the stack would take the datagram's checksum. It is right if all adds
 * up to 0xffff. A sender on this host may have left it to the device: then the
 * field holds the folded sum of the pseudo header alone (linux/skbuff.h,
 * CHECKSUM_PARTIAL). `sum` is that of UDP header and payload.
 */
static __always_inline int is_checksum_good(enum hook hook, struct rx_scratch *s, __u32 udp_length,
                                            __u16 check, __u64 sum)
{
    const __u64 pseudo = pseudo_header_sum(s, udp_length);
    const int complete = bmc_sum_fold(pseudo + sum) == 0xffff;

    s->partial = 0;
    if (!check)
        return !s->is_ipv6;
    s->partial = bmc_config.partial_checksums && check == bmc_sum_fold(pseudo);
    /* A socket buffer goes back as it came; if that may be either way, it does not. */
    return hook == HOOK_TC ? complete != (int)s->partial : complete || s->partial;
}

/* The tag that the kernel has moved from the frame to the socket buffer, if any. */
static __always_inline void stripped_tag(const struct __sk_buff *ctx, struct packet *p)
{
    if (!ctx->vlan_present)
        return;
    p->tags = 1;
    p->vlan = ctx->vlan_tci & VLAN_ID_MASK;
    if (ctx->vlan_proto == ETH_P_8021AD_BE)
        p->vlan |= BMC_VLAN_SERVICE;
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
    if (bmc_config.stock.enabled &&
        BMC_READ_ONCE(c->stock.untracked) != BMC_READ_ONCE(c->stock.covered)) {
        *reason = BMC_COUNTER_rx_pass_untracked;
        return 0;
    }
    *reason = BMC_COUNTER_rx_pass_generation;
    return !(s->generation & 1);
}

/*
 * Ethernet and tags, kept for the reply; VLAN tags go back as they came. At most 22
 * bytes, in front of an IP header that was found inside the packet.
 */
static __always_inline void keep_ethernet(struct rx_scratch *s, const void *data)
{
    s->l2[0] = *(__u64 *)data;
    s->l2[1] = *(__u32 *)(data + 8) | ((__u64) * (__u16 *)(data + 12) << 32);
    s->l2[2] = 0;
    if (s->l2_length > ETH_HEADER_SIZE)
        s->l2[2] = *(__u32 *)(data + 14);
    if (s->l2_length > ETH_HEADER_SIZE + VLAN_TAG_SIZE)
        s->l2[2] |= (__u64) * (__u32 *)(data + 18) << 32;
}

/* Requests up to this length are copied and summed in one walk. */
#define SHORT_REQUEST_MAX 64

/*
 * Copies a payload of so many bytes to s->request if it is short and lies in one
 * piece; whether it did. *sum gets its ones' complement sum, as text_sum().
 */
static __always_inline int load_short(const void *payload, const void *data_end,
                                      struct rx_scratch *s, __u32 length, __u64 *sum)
{
    const __u8 *from = payload, *end;
    __u64 total = 0, word;
    __u32 i;

    if (length < 8 || length > SHORT_REQUEST_MAX)
        return 0;
    end = from + length;
    if ((const void *)end > data_end)
        return 0;
    if (length & 7) {
        /* The last bytes, from the last whole word that is inside. */
        word = bmc_word(end - 8) >> (64 - 8 * (length & 7));
        *(__u64 *)(s->request.byte + (length & 0x78)) = word;
        total = (word >> 32) + (__u32)word;
    }
#pragma unroll
    for (i = 0; i < SHORT_REQUEST_MAX / 8; i++) {
        if (8 * i + 8 > length || (const void *)(from + 8 * i + 8) > data_end)
            break;
        word = bmc_word(from + 8 * i);
        *(__u64 *)(s->request.byte + 8 * i) = word;
        total += (word >> 32) + (__u32)word;
    }
    *sum = total;
    return 1;
}

/*
 * Asks for the packet's second cache line, where the command is, while the first is
 * on its way: both come from memory or from another CPU's cache.
 */
static __always_inline void touch_second_line(const void *data, const void *data_end)
{
    const __u8 *line = data + BMC_CACHE_LINE;

    if ((const void *)(line + 1) <= data_end)
        (void)BMC_READ_ONCE(*line);
}

static __always_inline int do_rx_filter(void *ctx, enum hook hook, int is_gso)
{
    /* What XDP handed over has been counted there as a request. */
    const int is_first = hook == HOOK_XDP || bmc_config.tc_only;
    void *data = hook_data(ctx, hook);
    void *data_end = hook_data_end(ctx, hook);
    struct rx_scratch *s = hook_scratch(hook);
    struct bmc_counters *n = element(&counters, 0);
    enum bmc_counter reason;
    enum packet_kind kind;
    struct packet p = {};
    struct ethhdr *eth;
    struct udphdr *udp;
    __u64 sum, text = 0;
    __u16 check;
    __u32 frame_length, payload, length, i;
    int is_get, address, port;

    if (!s || !n)
        return pass(hook, BMC_COUNTER_rx_pass_internal);
    touch_second_line(data, data_end);
    if (hook == HOOK_TC)
        stripped_tag(ctx, &p);
    frame_length = hook_length(ctx, hook);
    kind = parse_udp(data, data_end, frame_length, &p);
    if (kind == PACKET_OTHER)
        return pass(hook, BMC_COUNTER_rx_other);
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
        return pass(hook, BMC_COUNTER_rx_other);
    if (kind != PACKET_UDP)
        return pass(hook, kind_reason(kind));
    udp = p.udp;
    port = find_port(udp->dest);
    if (port == NOT_FOUND)
        return pass(hook, BMC_COUNTER_rx_other);

    if (is_first)
        n->value[BMC_COUNTER_rx_requests]++;
    if (is_gso) /* several datagrams in one */
        return pass(hook, BMC_COUNTER_rx_pass_too_long);
    eth = data;
    if (!is_our_mac(eth->h_dest) || (eth->h_source[0] & 1))
        return pass(hook, BMC_COUNTER_rx_pass_mac);
    if (p.vlan && !is_our_vlan(p.vlan))
        return pass(hook, BMC_COUNTER_rx_pass_vlan);
    if (p.is_ipv6 ? is_bad_source6(&s->source) : is_bad_source4(s->source.word[0]))
        return pass(hook, BMC_COUNTER_rx_pass_address);
    if (!udp->source)
        return pass(hook, BMC_COUNTER_rx_pass_address);
    if (!p.is_ipv6 && bmc_sum_fold(sum_words(p.ip, IPV4_HEADER_SIZE / 4)) != 0xffff)
        return pass(hook, BMC_COUNTER_rx_pass_ip_header);

    length = p.udp_length - UDP_HEADER_SIZE;
    if (length > BMC_PAYLOAD_MAX)
        return pass(hook, BMC_COUNTER_rx_pass_too_long);
    if (length <= BMC_FRAME_SIZE)
        return pass(hook, BMC_COUNTER_rx_pass_frame_header);
    payload = (void *)(udp + 1) - data;
    /* No packet pointer is used behind the copy: its exits prove different ranges. */
    keep_ethernet(s, data);
    s->source_port = udp->source;
    s->destination_port = udp->dest;
    check = udp->check;
    sum = sum_words((const __u32 *)udp, UDP_HEADER_SIZE / 4);
    if (load_short(udp + 1, data_end, s, length, &text)) {
        sum += text;
    } else {
        if (hook_load(ctx, hook, payload, s->request.byte, length))
            return pass(hook, BMC_COUNTER_rx_pass_internal);
        sum += text_sum(&s->request, 0, length);
    }
    length = bmc_forget(&s->request, length);
    if (!is_checksum_good(hook, s, length + UDP_HEADER_SIZE, check, sum))
        return pass(hook, BMC_COUNTER_rx_pass_checksum);
    if (!bmc_frame_is_whole(&s->request))
        return pass(hook, BMC_COUNTER_rx_pass_frame_header);

    s->frame_length = frame_length;
    s->request_length = length;
    s->runs = s->keys = s->values = s->taken = 0;
    s->commands = s->writes = 0;
    s->text_length = s->text_sum = 0;
    is_get = bmc_half(s->request.byte + BMC_FRAME_SIZE) == BMC_FOUR('g', 'e', 't', ' ');

    if (is_get && bmc_two(s->request.byte + length - 2) == BMC_CRLF) {
        if (is_first)
            n->value[BMC_COUNTER_rx_gets]++;
        if (!origin_state(s, bmc_endpoint(address, port), &reason))
            return pass(hook, reason);
        s->cursor = BMC_FRAME_SIZE + 4;
        return do_hash_keys(ctx, hook);
    }
    return pass_walked(ctx, hook, s,
                       is_get ? BMC_COUNTER_rx_pass_syntax : BMC_COUNTER_rx_pass_command);
}

/* TC ingress. */
static __always_inline int do_skb_rx_filter(struct __sk_buff *ctx)
{
    __u32 headers = ETH_HEADER_SIZE + VLAN_TAG_SIZE + IPV6_HEADER_SIZE + UDP_HEADER_SIZE;
    const int is_gso = ctx->gso_size != 0;

    if (!bmc_config.tc_only && !is_handed(ctx))
        return TC_NEXT;
    /* Network cards may leave all but the first bytes of a packet in fragments. */
    if (headers > ctx->len)
        headers = ctx->len;
    if ((void *)(long)ctx->data + headers > (void *)(long)ctx->data_end)
        bpf_skb_pull_data(ctx, headers); /* if not, the headers are seen as cut short */
    /* The addresses of its fields must not be kept (6.18: "dereference of modified ctx ptr"). */
    asm volatile("" : "+r"(ctx));
    return do_rx_filter(ctx, HOOK_TC, is_gso);
}

#endif
