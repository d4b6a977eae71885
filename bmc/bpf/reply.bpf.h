/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_REPLY_BPF_H
#define BMC_BPF_REPLY_BPF_H

/*
 * Ingress, last stage: every key is answered. The reply is finished in scratch
 * memory, headers and all; only then is the frame resized and overwritten, and
 * what was resized before a refusal is resized back. What XDP cannot do, for want of
 * room in the frame or because the reply takes two datagrams, it hands to TC ingress.
 */

#include "access.bpf.h"
#include "checksum.bpf.h"
#include "hook.bpf.h"
#include "packet.bpf.h"
#include "sample.bpf.h"

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

/*
 * Headers are put together in words of four bytes and summed before they are stored:
 * a load of a word that was just stored in pieces has to wait for the stores.
 */
static __always_inline void write_ipv4(const struct rx_scratch *s, __u8 *to, __u32 udp_length,
                                       __u8 sequence)
{
    __u32 *word = (__u32 *)to;
    /*
     * No path MTU is known here, so routers may fragment, and identifications must
     * not repeat soon (RFC 6864). They come from the key's hash, under a secret seed of
     * which this must tell nothing, and from what tells requests apart.
     */
    const __u16 id = (((s->hash * 0x9e3779b97f4a7c15ULL) >> 48) ^ s->source_port ^
                      *(const __u16 *)s->request.byte) +
                     sequence;
    const __u32 kind = REPLY_TTL | (IPPROTO_UDP << 8);
    const __u32 size = 0x45 | ((__u32)bpf_htons(IPV4_HEADER_SIZE + udp_length) << 16);
    const __u32 from = s->destination.word[0];
    const __u32 receiver = s->source.word[0];
    const __u16 check = ~bmc_sum_fold((__u64)size + id + kind + from + receiver);

    word[0] = size;
    word[1] = id;
    word[2] = kind | ((__u32)check << 16);
    word[3] = from;
    word[4] = receiver;
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

/*
 * UDP and frame header in front of text whose sum, not folded, is `sum`. A request
 * whose checksum was left to the device is answered at TC in the same way: the
 * socket buffer still says so, and the device then wants the sum of the pseudo
 * header alone (linux/skbuff.h, CHECKSUM_PARTIAL).
 */
static __always_inline void write_udp(const struct rx_scratch *s, enum hook hook, __u8 *to,
                                      __u32 udp_length, __u64 sum, __u8 sequence, __u8 total)
{
    const __u64 pseudo = pseudo_header_sum(s, udp_length);
    const __u64 frame = bmc_frame_of(*(const __u16 *)s->request.byte, sequence, total);
    const __u32 ports = s->destination_port | ((__u32)s->source_port << 16);
    const __u16 length = bpf_htons(udp_length);
    __u16 check;

    if (hook == HOOK_TC && s->partial) {
        check = bmc_sum_fold(pseudo);
    } else {
        check = ~bmc_sum_fold(pseudo + ports + length + (__u32)frame + (frame >> 32) + sum);
        if (!check)
            check = 0xffff; /* RFC 768: zero would mean none */
    }
    *(__u32 *)to = ports;
    *(__u32 *)(to + 4) = length | ((__u32)check << 16);
    *(__u64 *)(to + 8) = frame;
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

/* Makes the frame, `before` bytes long, what `from` says, or leaves it as it is. */
static __always_inline enum bmc_counter xdp_write(struct xdp_md *ctx, __u32 before, void *from,
                                                  __u32 length)
{
    const int grow = (int)length - (int)before;
    int at_head;

    if (resize(ctx, grow, &at_head))
        return BMC_COUNTER_rx_pass_room;
    if (!bpf_xdp_store_bytes(ctx, 0, from, length))
        return BMC_COUNTER_hit;
    resize_back(ctx, grow, at_head);
    return BMC_COUNTER_rx_pass_internal;
}

/*
 * The same for a socket buffer. What has to be copied or moved for writing is, before
 * the first byte is written.
 */
static __always_inline enum bmc_counter skb_write(struct __sk_buff *ctx, void *from, __u32 length)
{
    const __u32 before = ctx->len;

    if (length > before ? bpf_skb_change_tail(ctx, length, 0) : bpf_skb_pull_data(ctx, before))
        return BMC_COUNTER_rx_pass_room;
    if (bpf_skb_store_bytes(ctx, 0, from, bounded_length(length),
                            BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH)) {
        if (length > before)
            bpf_skb_change_tail(ctx, before, 0);
        return BMC_COUNTER_rx_pass_internal;
    }
    return length < before && bpf_skb_change_tail(ctx, length, 0) ? BMC_COUNTER_rx_dropped
                                                                  : BMC_COUNTER_hit;
}

/*
 * Whether a reply of so many bytes of IP packet may leave: within the MTU of the
 * interface as it is now, and within what any path takes where nobody on the
 * way can fragment.
 */
static __always_inline int fits_mtu(void *ctx, const struct rx_scratch *s, __u32 ip_length)
{
    __u32 mtu = ip_length; /* in: length to check; out: the MTU */

    if (ip_length > bmc_config.mtu || (s->is_ipv6 && ip_length > IPV6_MTU_MIN))
        return 0;
    return ip_length <= MTU_CHECK_FROM || !bpf_check_mtu(ctx, 0, &mtu, 0, 0);
}

/* The part of a reply that goes into one datagram. */
struct part {
    __u32 at;     /* where its text starts in s->reply, a constant */
    __u32 length; /* bytes of text */
    __u64 sum;    /* of them, not folded */
    __u8 sequence;
    __u8 total;
};

/*
 * Writes all headers in front of the part's text and the whole into the packet.
 * BMC_COUNTER_hit, or why not.
 */
static __always_inline enum bmc_counter write_datagram(void *ctx, enum hook hook,
                                                       struct rx_scratch *s, const struct part *p)
{
    const __u32 ip_header = s->is_ipv6 ? IPV6_HEADER_SIZE : IPV4_HEADER_SIZE;
    const __u32 udp_length = UDP_HEADER_SIZE + BMC_FRAME_SIZE + p->length;
    __u8 *text = s->reply.byte + p->at;
    __u32 start = p->at - UDP_HEADER_SIZE - BMC_FRAME_SIZE - ip_header - s->l2_length;
    __u32 length = p->at - start + p->length;

    if (start > p->at || length > BMC_REPLY_HEADERS + BMC_DATAGRAM_DATA || length < ETH_HEADER_SIZE)
        return BMC_COUNTER_rx_pass_internal;
    start = bounded_again(start);
    /* In this order: Ethernet is written with room for two tags, used or not. */
    write_ethernet(s, s->reply.byte + start);
    if (s->is_ipv6)
        write_ipv6(s, text - BMC_FRAME_SIZE - UDP_HEADER_SIZE - IPV6_HEADER_SIZE, udp_length);
    else
        write_ipv4(s, text - BMC_FRAME_SIZE - UDP_HEADER_SIZE - IPV4_HEADER_SIZE, udp_length,
                   p->sequence);
    write_udp(s, hook, text - BMC_FRAME_SIZE - UDP_HEADER_SIZE, udp_length, p->sum, p->sequence,
              p->total);
    return hook == HOOK_XDP ? xdp_write(ctx, s->frame_length, s->reply.byte + start, length)
                            : skb_write(ctx, s->reply.byte + start, length);
}

/* Puts "END\r\n" behind the reply's text; the sum of the text with it. */
static __always_inline __u64 close_text(struct rx_scratch *s, __u32 text_length)
{
    __u8 *end = s->reply.byte + BMC_REPLY_HEADERS + text_length;
    __u16 sum = bmc_sum_fold((__u64)BMC_FOUR('E', 'N', 'D', '\r') + '\n');

    *(__u32 *)end = BMC_FOUR('E', 'N', 'D', '\r');
    *(__u64 *)(end + 4) = '\n'; /* and zeros, for sum_second() */
    return (__u64)s->text_sum + (text_length & 1 ? bmc_sum_swap(sum) : sum);
}

#define REPLY_SECOND_AT       (BMC_REPLY_HEADERS + BMC_DATAGRAM_DATA)
#define REPLY_SECOND_DATA_MAX (BMC_REPLY_TEXT_MAX + BMC_CLOSING_SIZE - BMC_DATAGRAM_DATA)

/* Sum of what goes into the second datagram; zeros follow it. */
static __always_inline __u64 sum_second(const struct rx_scratch *s, __u32 length)
{
    const __u8 *text = s->reply.byte + REPLY_SECOND_AT;
    __u64 sum = 0;
    __u32 i;

    for (i = 0; i < (REPLY_SECOND_DATA_MAX + 7) / 8; i++) {
        __u64 word;

        if (8 * i >= length)
            break;
        word = bmc_word(text + 8 * i);
        sum += (word >> 32) + (__u32)word;
    }
    return bmc_sum_fold(sum);
}

/* A reply of two datagrams: the first leaves as a copy of the packet. */
static __always_inline enum bmc_counter write_both(struct __sk_buff *ctx, struct rx_scratch *s,
                                                   __u32 length, __u64 sum)
{
    const __u32 second_length = length - BMC_DATAGRAM_DATA;
    const __u64 second_sum = sum_second(s, second_length);
    /* Less the second's, in ones' complement; the first is of even length. */
    const struct part first = {BMC_REPLY_HEADERS, BMC_DATAGRAM_DATA,
                               bmc_sum_fold(sum) + (~second_sum & 0xffff), 0, 2};
    const struct part second = {REPLY_SECOND_AT, second_length, second_sum, 1, 2};
    enum bmc_counter outcome;

    if (second_length > REPLY_SECOND_DATA_MAX)
        return BMC_COUNTER_rx_pass_internal;
    outcome = write_datagram(ctx, HOOK_TC, s, &first);
    if (outcome != BMC_COUNTER_hit)
        return outcome;
    /* If the device's queue drops it, the client loses it as any datagram. */
    bpf_clone_redirect(ctx, ctx->ifindex, 0);
    return write_datagram(ctx, HOOK_TC, s, &second) == BMC_COUNTER_hit ? BMC_COUNTER_hit
                                                                       : BMC_COUNTER_rx_dropped;
}

BMC_STATIC_ASSERT(BMC_BUDGET_MIN > BMC_REPLY_TEXT_MAX + BMC_CLOSING_SIZE +
                                       2 * (IPV6_HEADER_SIZE + UDP_HEADER_SIZE + BMC_FRAME_SIZE),
                  "any reply fits a full token bucket");

static __always_inline int do_write_reply(void *ctx, enum hook hook, struct rx_scratch *s)
{
    const __u32 headers =
        (s->is_ipv6 ? IPV6_HEADER_SIZE : IPV4_HEADER_SIZE) + UDP_HEADER_SIZE + BMC_FRAME_SIZE;
    __u32 text_length, length, first_length;
    enum bmc_counter outcome;
    struct bmc_counters *n;
    __u64 sum;

    text_length = s->text_length;
    if (text_length > BMC_REPLY_TEXT_MAX)
        return pass(hook, BMC_COUNTER_rx_pass_internal);
    length = text_length + BMC_CLOSING_SIZE;
    first_length = length > BMC_DATAGRAM_DATA ? BMC_DATAGRAM_DATA : length;
    if (!fits_mtu(ctx, s, headers + first_length))
        return pass(hook, BMC_COUNTER_rx_pass_mtu);
    /* What XDP hands over is paid for. */
    if (bmc_config.budget && sees_first(hook)) {
        outcome = take_budget(s, length + headers * (length > BMC_DATAGRAM_DATA ? 2 : 1));
        if (outcome != BMC_COUNTER_hit)
            return pass(hook, outcome);
    }
    sum = close_text(s, bounded_again(text_length));

    if (length <= BMC_DATAGRAM_DATA) {
        const struct part whole = {BMC_REPLY_HEADERS, length, sum, 0, 1};

        outcome = write_datagram(ctx, hook, s, &whole);
    } else if (hook == HOOK_TC) {
        outcome = write_both(ctx, s, length, sum);
    } else {
        outcome = BMC_COUNTER_rx_pass_room;
    }

    if (hook == HOOK_XDP && outcome == BMC_COUNTER_rx_pass_room)
        return hand_over(ctx, outcome);
    n = element(&counters, 0);
    if (n) {
        n->value[outcome]++;
        if (outcome == BMC_COUNTER_hit) {
            n->value[BMC_COUNTER_hit_keys] += s->values;
            n->value[BMC_COUNTER_hit_absent_keys] += s->keys - s->values;
            n->value[BMC_COUNTER_hit_tc] += hook == HOOK_TC;
            sample_hit(s, n->value[outcome]);
        }
    }
    if (hook == HOOK_TC && outcome == BMC_COUNTER_rx_dropped)
        return TC_DROP;
    if (outcome != BMC_COUNTER_hit)
        return hook == HOOK_XDP ? XDP_PASS : TC_NEXT;
    if (hook == HOOK_XDP)
        return XDP_TX;
    return bpf_redirect(((struct __sk_buff *)ctx)->ifindex, 0);
}

#endif
