/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_KEYS_BPF_H
#define BMC_BPF_KEYS_BPF_H

/*
 * Ingress: one key of the request a run, the first as part of rx_filter. It appends the key's text
 * to the reply under construction, or learns that the key is absent, or lets
 * the whole request go up. The packet is not touched.
 *
 * The origin leaves what it has just stored with the key's grant. Where that is what
 * is missing here, the stage take_grant installs it, and the key is looked up again. With
 * a stock memcached the key takes a lease instead, for the reply to this get.
 */

#include "grant.bpf.h"
#include "lease.bpf.h"
#include "reply.bpf.h"

/*
 * Below the kernel's MAX_TAIL_CALL_CNT (33, include/linux/bpf.h), less the other stages. A
 * key that is taken from its grant counts as three.
 */
#define RX_KEYS_MAX 30

/* Whether the grant is of the key's clock as it stands, and of this generation. */
static __always_inline int is_current(const struct rx_scratch *s, const struct bmc_grant *g,
                                      __u64 version)
{
    return g->version == version && g->generation == s->generation;
}

/* Hash of the key in work. Global: see text_sum(). */
__noinline __u64 key_hash(struct rx_scratch *s, __u64 seed0, __u64 seed1)
{
    const __u64 seed[2] = {seed0, seed1};

    if (!s)
        return 0;
    return bmc_text_key_hash(seed, &s->request, bmc_bounded(s->key), s->key_length);
}

/* bmc_cache_copy() of the key in work to the end of the reply. Global: see text_sum(). */
__noinline int copy_entry(struct bmc_bucket *bucket, __u64 hash, struct rx_scratch *s)
{
    __u32 at;

    if (!bucket || !s)
        return BMC_CACHE_MISS;
    at = s->text_length;
    if (at > BMC_REPLY_TEXT_MAX)
        return BMC_CACHE_MISS;
    return bmc_cache_copy(bucket, hash, &s->request, bmc_bounded(s->key), s->key_length, &s->reply,
                          BMC_REPLY_HEADERS + at, &s->head);
}

/* Appends the entry just copied: its text is in place, its sum is not. */
static __always_inline void append_text(struct rx_scratch *s)
{
    __u16 sum = s->head.sum;

    if (s->text_length & 1)
        sum = bmc_sum_swap(sum);
    s->text_sum += sum;
    s->text_length += s->head.length;
    s->values++;
}

static __always_inline int do_hash_keys(void *ctx, enum hook hook)
{
    struct rx_scratch *s = hook_scratch(hook);
    const struct bmc_control *c = element(&control, 0);
    enum bmc_counter reason = BMC_COUNTER_rx_miss;
    struct bmc_bucket *bucket;
    struct bmc_grant g;
    __u32 end, key_end;
    __u64 hash, word, version, *clock;
    int found;

    if (!s || !c)
        return pass(hook, BMC_COUNTER_rx_pass_internal);
    if (s->runs >= RX_KEYS_MAX) /* no tail calls are left to walk commands with */
        return pass(hook, BMC_COUNTER_rx_pass_keys);
    s->runs++;

    s->key = bmc_bounded(s->cursor);
    end = s->request_length - 2; /* rx_filter has seen the CR LF */
    key_end = bmc_forget(&s->request, bmc_token_end(&s->request, bmc_bounded(s->key), end));
    s->key_length = key_end - s->key;
    if (key_end <= s->key || s->key_length > BMC_KEY_MAX)
        return pass_walked(ctx, hook, s, BMC_COUNTER_rx_pass_syntax);
    if (key_end != end && s->request.byte[key_end] != ' ')
        return pass_walked(ctx, hook, s, BMC_COUNTER_rx_pass_syntax);
    s->cursor = key_end + 1;

    hash = key_hash(s, c->seed[0], c->seed[1]);
    clock = element(&clocks, bmc_clock_index(hash, c->clock_count));
    bucket = element(&buckets, bmc_bucket_index(hash, bmc_config.bucket_count));
    if (!clock || !bucket)
        return pass(hook, BMC_COUNTER_rx_pass_internal);
    s->hash = hash;
    (void)BMC_READ_ONCE(*clock); /* on its way while the bucket is read; not looked at */
    found = copy_entry(bucket, hash, s);
    /*
     * The clock is read behind the copy: if it still shows the entry's version,
     * nobody had changed the key when the copy was made.
     */
    bmc_barrier();
    word = BMC_READ_ONCE(*clock);
    version = bmc_clock_version(word);
    if (found == BMC_CACHE_HIT) {
        if (s->head.generation != s->generation)
            reason = BMC_COUNTER_rx_miss_generation;
        else if (s->head.version != version)
            reason = BMC_COUNTER_rx_miss_clock;
        else if (s->head.deadline_ns != BMC_NO_DEADLINE &&
                 bpf_ktime_get_ns() >= s->head.deadline_ns)
            reason = BMC_COUNTER_rx_miss_expired;
        else if (s->text_length + s->head.length > BMC_REPLY_TEXT_MAX) {
            reason = BMC_COUNTER_rx_pass_too_large;
            goto give_up;
        } else {
            append_text(s);
            if (!(word & BMC_CLOCK_VISITED))
                __sync_fetch_and_or(clock, BMC_CLOCK_VISITED);
            goto next;
        }
    } else if (found == BMC_CACHE_BUSY) {
        reason = BMC_COUNTER_rx_miss_busy;
    }
    if (bmc_config.stock.enabled) {
        take_lease(c, s, hash, version);
        goto give_up;
    }
    if (!read_grant(c, hash, &g) || !is_current(s, &g, version))
        goto give_up;
    if (g.content != BMC_CONTENT_ABSENT) {
        if (!g.text_length || s->taken)
            goto give_up;
        s->taken = 1;
        s->runs++;
        s->cursor = s->key;
        s->grant = bmc_grant_index(hash, c->grant_count);
        return go_to(ctx, hook, RX_TAKE_GRANT);
    }
next:
    s->keys++;
    s->taken = 0;
    return key_end == end ? do_write_reply(ctx, hook, s) : go_to(ctx, hook, RX_HASH_KEYS);
give_up:
    note_miss(s);
    /* Behind a key that is not the datagram's last word there may be writes. */
    return key_end == end ? pass(hook, reason) : pass_walked(ctx, hook, s, reason);
}

#endif
