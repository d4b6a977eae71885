/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_TX_BPF_H
#define BMC_BPF_TX_BPF_H

/*
 * Egress: the origin's replies fill the cache, one VALUE a run of update_cache.
 * The packet only transports bytes; that they are the value of the key at a
 * clock version is known from the origin's grant alone. Nothing here changes
 * the packet or its fate.
 */

#include "../protocol/value.h"
#include "grant.bpf.h"
#include "packet.bpf.h"

/*
 * TC_ACT_UNSPEC (linux/pkt_cls.h) and TCX_NEXT are the same -1: filters behind
 * ours still see the packet.
 */
#define TX_NEXT (-1)

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
    return TX_NEXT;
}

static __always_inline int do_tx_filter(struct __sk_buff *ctx)
{
    void *data = (void *)(long)ctx->data;
    void *data_end = (void *)(long)ctx->data_end;
    struct packet p = {};
    struct tx_scratch *s;
    __u32 length;

    /* A fragment of a reply counts as other too: only the first one names a port. */
    if (parse_udp(data, data_end, ctx->len, &p) != PACKET_UDP ||
        find_port(p.udp->source) == NOT_FOUND)
        return skip(BMC_COUNTER_tx_other);
    count(BMC_COUNTER_tx_replies);
    s = element(&tx_scratch, 0);
    if (!s)
        return skip(BMC_COUNTER_tx_pass_internal);
    length = p.udp_length - UDP_HEADER_SIZE;
    if (length <= BMC_FRAME_SIZE || length > BMC_PAYLOAD_MAX)
        return skip(BMC_COUNTER_tx_pass_length);
    if (bpf_skb_load_bytes(ctx, (void *)(p.udp + 1) - data, s->reply.byte, length))
        return skip(BMC_COUNTER_tx_pass_internal);
    if (!bmc_frame_is_whole(&s->reply))
        return skip(BMC_COUNTER_tx_pass_sequence);
    if (bmc_half(s->reply.byte + BMC_FRAME_SIZE) != BMC_FOUR('V', 'A', 'L', 'U'))
        return skip(BMC_COUNTER_tx_pass_no_value);
    s->length = length;
    s->cursor = BMC_FRAME_SIZE;
    s->values = 0;
    bpf_tail_call(ctx, &tx_stages, TX_UPDATE_CACHE);
    return skip(BMC_COUNTER_tx_pass_tail_call);
}

/* bmc_text_content_hash() of a value. Global: see text_sum(). */
__noinline __u64 content_hash(struct tx_scratch *s, struct bmc_control *c, __u32 flags, __u32 data,
                              __u32 length)
{
    if (!s || !c)
        return BMC_CONTENT_ABSENT;
    return bmc_text_content_hash(c->seed, &s->reply, flags, bmc_bounded(data), bmc_bounded(length));
}

/* bmc_cache_fill() with the text at pos under s->head. Global: see text_sum(). */
__noinline int install(struct bmc_bucket *bucket, __u64 hash, struct tx_scratch *s, __u32 pos)
{
    if (!bucket || !s)
        return BMC_FILL_BUSY;
    return bmc_cache_fill(bucket, hash, &s->head, &s->reply, bmc_bounded(pos), &s->evicted);
}

/* Installs the value whose text starts at pos, if its grant says that it may be. */
static __always_inline void fill(struct tx_scratch *s, const struct bmc_value *v, __u32 pos)
{
    struct bmc_control *c = element(&control, 0);
    struct bmc_bucket *bucket;
    struct bmc_grant g;
    __u64 hash, *clock;

    if (!c)
        goto internal;
    hash = bmc_text_key_hash(c->seed, &s->reply, v->key, v->key_length);
    if (!read_grant(c, hash, &g) || g.content == BMC_CONTENT_ABSENT ||
        g.content != content_hash(s, c, v->flags, v->data, v->data_length)) {
        count(BMC_COUNTER_fill_no_grant_keys);
        return;
    }
    clock = element(&clocks, bmc_clock_index(hash, c->clock_count));
    bucket = element(&buckets, bmc_bucket_index(hash, bmc_config.bucket_count));
    if (!clock || !bucket)
        goto internal;
    /* Such an entry would never be served: better not to evict another for it. */
    if (bmc_clock_version(BMC_READ_ONCE(*clock)) != g.version ||
        BMC_READ_ONCE(c->generation) != g.generation) {
        count(BMC_COUNTER_fill_stale_keys);
        return;
    }

    s->head.version = g.version;
    s->head.generation = g.generation;
    s->head.deadline_ns = g.deadline_ns;
    s->head.length = v->end - pos;
    s->head.key_length = v->key_length;
    s->head.sum = bmc_sum_fold(text_sum(&s->reply, pos, v->end - pos));
    switch (install(bucket, hash, s, pos)) {
    case BMC_FILL_DONE:
        count(BMC_COUNTER_fill_keys);
        break;
    case BMC_FILL_SAME:
        count(BMC_COUNTER_fill_same_keys);
        break;
    case BMC_FILL_TOO_LARGE:
        count(BMC_COUNTER_fill_too_large_keys);
        break;
    default:
        count(BMC_COUNTER_fill_busy_keys);
        break;
    }
    count_add(BMC_COUNTER_evict_keys, s->evicted);
    return;
internal:
    count(BMC_COUNTER_tx_pass_internal);
}

static __always_inline int do_update_cache(struct __sk_buff *ctx)
{
    struct tx_scratch *s = element(&tx_scratch, 0);
    struct bmc_value v = {};
    __u32 pos, end;

    if (!s)
        return skip(BMC_COUNTER_tx_pass_internal);
    pos = bmc_bounded(s->cursor);
    end = bmc_bounded(s->length);
    switch (bmc_value_at(&s->reply, pos, end, &v)) {
    case BMC_VALUE_OK:
        break;
    case BMC_VALUE_NONE:
        return bmc_is_end(&s->reply, pos, end) ? TX_NEXT : skip(BMC_COUNTER_tx_pass_syntax);
    case BMC_VALUE_SYNTAX:
        return skip(BMC_COUNTER_tx_pass_syntax);
    }
    if (s->values >= TX_VALUES_MAX)
        return skip(BMC_COUNTER_tx_pass_values);
    s->values++;
    fill(s, &v, pos);
    s->cursor = v.end;
    bpf_tail_call(ctx, &tx_stages, TX_UPDATE_CACHE);
    return skip(BMC_COUNTER_tx_pass_tail_call);
}

#endif
