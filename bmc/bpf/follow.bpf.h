/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_FOLLOW_BPF_H
#define BMC_BPF_FOLLOW_BPF_H

/*
 * Whatever is sent to a stock memcached is seen here before memcached can read it: by
 * `follow`, what the host's TCP has accepted, in order, on whatever way it came; by
 * `filter`, every datagram. Nothing is kept from memcached.
 *
 * A connection's element of `streams` is written by its own programs alone, which run
 * under the socket's lock.
 */

#include "stock.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#define MAX_CONNECTIONS   65536
#define TCP_FLAG_SYN_BYTE 0x02 /* RFC 9293 3.1 */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_CONNECTIONS);
    __type(key, __u64);
    __type(value, struct bmc_stream);
} streams SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, MAX_CONNECTIONS);
    __type(key, __u64);
    __type(value, __u64);
} connections SEC(".maps");

/* A stream at its start. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bmc_stream);
} new_stream SEC(".maps");

/* A datagram is a stream of its own. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bmc_stream);
} datagram SEC(".maps");

/* What a walk over a piece of a stream has at hand. */
struct walk {
    struct __sk_buff *skb;
    struct bmc_stream *stream;
    struct bmc_control *control;
    __u64 now;
    __u32 start; /* of the piece in the packet */
    __u32 done;  /* all that is there was read */
};

/* bmc_text_key_hash() of the command's key. Global: see text_sum(). */
__noinline __u64 stream_key_hash(struct bmc_stream *s, __u64 seed0, __u64 seed1)
{
    const __u64 seed[2] = {seed0, seed1};
    __u32 length;

    if (!s)
        return 0;
    length = s->key_length;
    return bmc_text_key_hash(seed, &s->text, bmc_bounded(s->key),
                             length > BMC_KEY_MAX ? BMC_KEY_MAX : length);
}

/* Loads more of the piece; 0 if there is no more, or no room for it. */
static __always_inline int load_more(struct walk *w)
{
    struct bmc_stream *s = w->stream;
    __u32 room = bmc_stream_room(s);
    const __u32 at = bmc_bounded(s->length);

    if (!room || room > BMC_TEXT_MAX)
        return 0;
    if (bpf_skb_load_bytes(w->skb, w->start + s->offset, s->text.byte + at, room)) {
        bmc_stream_lose(s);
        return 0;
    }
    s->length = at + room;
    s->offset += room;
    return 1;
}

/* Notes what the stream has come upon; 0 if it cannot be followed from here. */
static __always_inline int note_event(struct walk *w, int event)
{
    struct bmc_stream *s = w->stream;

    switch (event) {
    case BMC_STREAM_NOTHING:
        return 1;
    case BMC_STREAM_WRITE:
        count_atomic(BMC_COUNTER_follow_commands);
        s->hash = stream_key_hash(s, w->control->seed[0], w->control->seed[1]);
        s->is_pending = bmc_stream_is_cut(s);
        if (s->is_pending)
            count_atomic(BMC_COUNTER_follow_values);
        return note_write(s, w->now, s->is_pending);
    case BMC_STREAM_END:
        if (!s->is_pending)
            return 1;
        s->is_pending = 0;
        return note_write(s, w->now, -1);
    case BMC_STREAM_FLUSH:
        count_atomic(BMC_COUNTER_follow_commands);
        advance_generation(w->now, BMC_COUNTER_advance_flush);
        return !s->exptimes || note_expiry(&w->control->stock.flushes, s->exptime[0], w->now);
    default:
        return 0;
    }
}

/* A step of bmc_stream_next(); 1 at the end of the walk. */
static long walk_step(__u32 index __attribute__((unused)), struct walk *w)
{
    const int event = bmc_stream_next(w->stream);
    long stop;

    if (event == BMC_STREAM_MORE) {
        stop = !load_more(w);
        w->done = stop && w->stream->state != BMC_STREAM_LOST;
    } else {
        stop = !note_event(w, event);
    }
    /* 6.18: "At callback return the register R0 ... should have been in [0, 1]" */
    asm volatile("" : "+r"(stop));
    return stop & 1;
}

/*
 * Reads a piece of `size` bytes. Whether that went well: what cannot be read is not
 * followed any further.
 */
static __always_inline int read_piece(struct walk *w, __u32 size)
{
    bmc_stream_start(w->stream, size);
    w->now = bpf_ktime_get_ns();
    /* A command takes a byte at least, and what is loaded has one, or is the last. */
    bpf_loop(2 * size + 16, walk_step, w, 0);
    if (!w->done)
        w->stream->state = BMC_STREAM_LOST;
    return w->done;
}

/* The helper that cuts takes so many bytes at a time; so often, for a segment of 64 KiB. */
#define ADJUST_MAX 4095
#define ADJUSTS    20

/*
 * A segment whose first bytes had come before is queued whole by TCP, which leaves it to
 * the readers to skip them. A sockmap hands it on as it is (6.18, tcp_read_skb()), so
 * memcached would read them twice. They are cut off here. The verdict if nothing is left,
 * or SK_PASS.
 */
static __always_inline int cut_overlap(struct walk *w, struct __sk_buff *skb)
{
    struct bmc_stream *s = w->stream;
    const void *sequence = (const void *)skb + bpf_core_field_offset(struct sk_buff, cb) +
                           bpf_core_field_offset(struct tcp_skb_cb, seq);
    __u32 first = s->sequence, overlap, end, i;

    bpf_probe_read_kernel(&first, sizeof(first), sequence);
    overlap = s->sequence - first;
    end = first + skb->len;
    if (overlap) {
        count_atomic(BMC_COUNTER_follow_overlaps);
        if (overlap == skb->len)
            return SK_DROP;
        for (i = 0; i < ADJUSTS && overlap && overlap < skb->len; i++) {
            const __u32 part = overlap < ADJUST_MAX ? overlap : ADJUST_MAX;

            if (bpf_skb_adjust_room(skb, -(__s32)part, 0, 0))
                break;
            overlap -= part;
        }
        /* A gap, or no memory: never seen. memcached is left with what it then gets. */
        if (overlap && s->state != BMC_STREAM_LOST) {
            s->state = BMC_STREAM_LOST;
            lose_track(w->control, bpf_ktime_get_ns());
        }
    }
    s->sequence = end;
    return SK_PASS;
}

static __always_inline int do_follow(struct __sk_buff *skb)
{
    struct walk w = {.skb = skb, .control = element(&control, 0)};
    __u64 cookie = bpf_get_socket_cookie(skb);
    int verdict;

    w.stream = bpf_map_lookup_elem(&streams, &cookie);
    if (!w.control)
        return SK_PASS;
    if (!w.stream) { /* never seen: a connection that was closed gets nothing */
        lose_track(w.control, bpf_ktime_get_ns());
        return SK_PASS;
    }
    verdict = cut_overlap(&w, skb);
    if (verdict == SK_PASS && skb->len && w.stream->state != BMC_STREAM_LOST &&
        !read_piece(&w, skb->len))
        lose_track(w.control, w.now);
    return verdict;
}

/* In front of the data of a datagram: the headers of UDP and of memcached. */
#define DATAGRAM_HEADERS (8 + BMC_FRAME_SIZE)

/*
 * A value that goes on behind a datagram's end is completed by whatever memcached reads
 * next on that socket, at any time: the slot of its key stays pending.
 */
static __always_inline int do_filter(struct __sk_buff *skb)
{
    struct walk w = {.skb = skb, .start = DATAGRAM_HEADERS, .control = element(&control, 0)};

    w.stream = element(&datagram, 0);
    if (!w.control || !w.stream || skb->len <= DATAGRAM_HEADERS)
        return skb->len;
    w.stream->state = BMC_STREAM_COMMAND;
    w.stream->protocol = BMC_STREAM_UNKNOWN;
    w.stream->value_left = 0;
    w.stream->length = w.stream->cursor = 0;
    w.stream->is_pending = 0;
    if (!read_piece(&w, skb->len - DATAGRAM_HEADERS)) {
        count_atomic(BMC_COUNTER_follow_untracked);
        advance_generation(w.now, BMC_COUNTER_advance_untracked);
    }
    return skb->len;
}

static __always_inline int is_origin_port(__u16 port)
{
    __u32 i;

    for (i = 0; i < BMC_MAX_PORTS && i < bmc_config.stock.tcp_port_count; i++)
        if (port == bmc_config.stock.tcp_port[i])
            return 1;
    return 0;
}

/* A new connection to memcached: whether it will be followed. */
static __always_inline int start_stream(struct bpf_sock_ops *ctx, __u64 cookie)
{
    struct bmc_stream *s = element(&new_stream, 0);

    /* Data in a SYN (TCP Fast Open) is not handed to `follow` before memcached may read it. */
    if (!s || ctx->skb_tcp_flags & TCP_FLAG_SYN_BYTE ||
        bpf_map_update_elem(&streams, &cookie, s, BPF_NOEXIST))
        return 0;
    s = bpf_map_lookup_elem(&streams, &cookie);
    if (s)
        s->sequence = ctx->rcv_nxt;
    if (s &&
        !bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG) &&
        !bpf_sock_hash_update(ctx, &connections, &cookie, BPF_NOEXIST))
        return 1;
    bpf_map_delete_elem(&streams, &cookie);
    return 0;
}

/* The connection is closed, maybe within a value, which memcached then drops. */
static __always_inline void end_stream(__u64 cookie)
{
    struct bmc_stream *s = bpf_map_lookup_elem(&streams, &cookie);

    if (!s)
        return;
    if (s->is_pending)
        note_write(s, bpf_ktime_get_ns(), -1);
    bpf_map_delete_elem(&streams, &cookie);
}

static __always_inline int do_connection(struct bpf_sock_ops *ctx)
{
    struct bmc_control *c = element(&control, 0);
    __u64 cookie;

    if (!c)
        return 1;
    switch (ctx->op) {
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
        if (!is_origin_port(bpf_htons(ctx->local_port)) ||
            bpf_get_netns_cookie(ctx) != bmc_config.stock.netns_cookie)
            break;
        if (start_stream(ctx, bpf_get_socket_cookie(ctx)))
            count_atomic(BMC_COUNTER_follow_connections);
        else
            lose_track(c, bpf_ktime_get_ns());
        break;
    case BPF_SOCK_OPS_STATE_CB:
        cookie = bpf_get_socket_cookie(ctx);
        if (ctx->args[1] == BPF_TCP_CLOSE)
            end_stream(cookie);
        break;
    default:
        break;
    }
    return 1;
}

#endif
