/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_TX_BPF_H
#define BMC_BPF_TX_BPF_H

/*
 * Egress: the origin's replies fill the cache, one VALUE a run of update_cache.
 * The packet only transports bytes; that they are the value of the key at a
 * clock version is known from the origin's grant alone. Nothing here changes
 * the packet or its fate.
 */

#include "fill.bpf.h"
#include "hook.bpf.h"
#include "packet.bpf.h"
#include "sample.bpf.h"

/* Below the kernel's MAX_TAIL_CALL_CNT (33, include/linux/bpf.h). */
#define TX_VALUES_MAX 32

enum tx_stage { TX_UPDATE_CACHE, TX_STAGE_COUNT };

int update_cache(struct __sk_buff *ctx);

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, TX_STAGE_COUNT);
    __uint(key_size, sizeof(__u32));
    __array(values, int(struct __sk_buff *));
} tx_stages SEC(".maps") = {
    .values = {[TX_UPDATE_CACHE] = &update_cache},
};

/* Leaves the packet alone, for a counted reason. */
static __always_inline int skip(enum bmc_counter reason)
{
    count(reason);
    return TC_NEXT;
}

/* Data of the second datagram of a reply, at most. */
#define BMC_SECOND_DATA_MAX (BMC_TEXT_MAX - BMC_UDP_PAYLOAD_MAX)

/*
 * What the datagrams of one reply have in common, beside the request id. Addresses
 * are not compared: what the grant says of the content decides.
 */
static __always_inline __u32 reply_ports(const struct udphdr *udp)
{
    return udp->source | ((__u32)udp->dest << 16);
}

/* Hash of the flow of a reply that starts with this frame header. */
static __always_inline __u64 reply_flow(const struct bmc_control *c, const struct packet *p,
                                        __u16 request_id)
{
    struct flow f = {.client_port = p->udp->dest,
                     .server_port = p->udp->source,
                     .request_id = request_id,
                     .is_ipv6 = p->is_ipv6};

    if (p->is_ipv6) {
        const struct ipv6hdr *ip = p->ip;

        f.client = ip->daddr.in6_u.u6_addr32;
        f.server = ip->saddr.in6_u.u6_addr32;
    } else {
        const struct iphdr *ip = p->ip;

        f.client = &ip->daddr;
        f.server = &ip->saddr;
    }
    return flow_hash(c->seed, &f);
}

static __always_inline int do_tx_filter(struct __sk_buff *ctx)
{
    void *data = (void *)(long)ctx->data;
    void *data_end = (void *)(long)ctx->data_end;
    struct packet p = {};
    struct tx_scratch *s;
    struct bmc_text *text;
    __u32 length, payload, half, peer;
    __u64 frame = 0;
    __u16 peer_port;

    /*
     * What came in by an interface is none of the origin's: the kernel's own replies
     * from TC ingress, or routed. A fragment of a reply counts as other too: only the
     * first one names a port.
     */
    if (ctx->ingress_ifindex || parse_udp(data, data_end, ctx->len, &p) != PACKET_UDP ||
        find_port(p.udp->source) == NOT_FOUND)
        return skip(BMC_COUNTER_tx_other);
    count(BMC_COUNTER_tx_replies);
    s = element(&tx_scratch, 0);
    if (!s)
        return skip(BMC_COUNTER_tx_pass_internal);
    text = &s->fill.text;
    half = s->half_length;
    s->half_length = 0;
    length = p.udp_length - UDP_HEADER_SIZE;
    if (length <= BMC_FRAME_SIZE || length > BMC_PAYLOAD_MAX)
        return skip(BMC_COUNTER_tx_pass_length);
    payload = (void *)(p.udp + 1) - data;
    peer = p.is_ipv6 ? fold_address(((struct ipv6hdr *)p.ip)->daddr.in6_u.u6_addr32, 1)
                     : ((struct iphdr *)p.ip)->daddr;
    peer_port = p.udp->dest;

    /* What two datagrams have in common is not enough where no grant tells of the content. */
    if (bmc_config.stock.enabled)
        half = 0;
    /* Both halves leave from one CPU, unless memcached moved meanwhile: no fill then. */
    if (half && length - BMC_FRAME_SIZE <= BMC_SECOND_DATA_MAX) {
        const __u32 ports = reply_ports(p.udp);

        if (bpf_skb_load_bytes(ctx, payload, &frame, sizeof(frame)))
            return skip(BMC_COUNTER_tx_pass_internal);
        if (frame == bmc_frame_of(bmc_two(text->byte), 1, 2) && ports == s->half_ports) {
            if (bpf_skb_load_bytes(ctx, payload + BMC_FRAME_SIZE, text->byte + BMC_UDP_PAYLOAD_MAX,
                                   length - BMC_FRAME_SIZE))
                return skip(BMC_COUNTER_tx_pass_internal);
            s->length = BMC_UDP_PAYLOAD_MAX + length - BMC_FRAME_SIZE;
            goto whole;
        }
    }
    if (bpf_skb_load_bytes(ctx, payload, text->byte, length))
        return skip(BMC_COUNTER_tx_pass_internal);
    frame = bmc_word(text->byte);
    if (!(frame >> 16 & 0xffff)) /* the first of its datagrams */
        end_miss(bmc_flow_mix(peer, peer_port, (__u16)frame));
    if (bmc_half(text->byte + BMC_FRAME_SIZE) != BMC_FOUR('V', 'A', 'L', 'U'))
        return skip(frame == bmc_frame_of(bmc_two(text->byte), 0, 1)
                        ? BMC_COUNTER_tx_pass_no_value
                        : BMC_COUNTER_tx_pass_sequence);
    if (!bmc_config.stock.enabled && length == BMC_UDP_PAYLOAD_MAX &&
        frame == bmc_frame_of(bmc_two(text->byte), 0, 2)) {
        s->half_length = length;
        s->half_ports = reply_ports(p.udp);
        return skip(BMC_COUNTER_tx_halves);
    }
    if (!bmc_frame_is_whole(text))
        return skip(BMC_COUNTER_tx_pass_sequence);
    if (bmc_config.stock.enabled) {
        const struct bmc_control *c = element(&control, 0);

        if (!c)
            return skip(BMC_COUNTER_tx_pass_internal);
        s->fill.flow = reply_flow(c, &p, frame);
    }
    s->length = length;
whole:
    s->cursor = BMC_FRAME_SIZE;
    s->values = 0;
    bpf_tail_call(ctx, &tx_stages, TX_UPDATE_CACHE);
    return skip(BMC_COUNTER_tx_pass_tail_call);
}

static __always_inline int do_update_cache(struct __sk_buff *ctx)
{
    struct tx_scratch *s = element(&tx_scratch, 0);
    __u32 pos, end;

    if (!s)
        return skip(BMC_COUNTER_tx_pass_internal);
    pos = bmc_bounded(s->cursor);
    end = bmc_bounded(s->length);
    switch (find_value(&s->fill, pos, end)) {
    case BMC_VALUE_OK:
        break;
    case BMC_VALUE_NONE:
        return bmc_is_end(&s->fill.text, pos, end) ? TC_NEXT : skip(BMC_COUNTER_tx_pass_syntax);
    default:
        return skip(BMC_COUNTER_tx_pass_syntax);
    }
    if (s->values >= TX_VALUES_MAX)
        return skip(BMC_COUNTER_tx_pass_values);
    s->values++;
    count(fill(&s->fill, pos));
    s->cursor = s->fill.value.end;
    bpf_tail_call(ctx, &tx_stages, TX_UPDATE_CACHE);
    return skip(BMC_COUNTER_tx_pass_tail_call);
}

#endif
