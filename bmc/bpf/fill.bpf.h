/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_FILL_BPF_H
#define BMC_BPF_FILL_BPF_H

/*
 * Installs a value, wherever its bytes come from: a reply of the origin, or the text
 * that it left with a grant. That they are the value of the key at a clock version is
 * known from the grant alone, or, of a reply of a stock memcached, from the lease.
 */

#include "grant.bpf.h"
#include "lease.bpf.h"

/* bmc_value_at(); the result is f->value. Global, as the others: see text_sum(). */
__noinline int find_value(struct fill_scratch *f, __u32 pos, __u32 end)
{
    if (!f)
        return BMC_VALUE_NONE;
    return bmc_value_at(&f->text, bmc_bounded(pos), bmc_bounded(end), &f->value);
}

/* bmc_text_key_hash() of the key of f->value. */
__noinline __u64 value_key_hash(struct fill_scratch *f, __u64 seed0, __u64 seed1)
{
    const __u64 seed[2] = {seed0, seed1};
    __u32 length;

    if (!f)
        return 0;
    length = f->value.key_length;
    return bmc_text_key_hash(seed, &f->text, bmc_bounded(f->value.key),
                             length > BMC_KEY_MAX ? BMC_KEY_MAX : length);
}

/* bmc_text_content_hash() of f->value. */
__noinline __u64 content_hash(struct fill_scratch *f, __u64 seed0, __u64 seed1)
{
    const __u64 seed[2] = {seed0, seed1};

    if (!f)
        return BMC_CONTENT_ABSENT;
    return bmc_text_content_hash(seed, &f->text, f->value.flags, bmc_bounded(f->value.data),
                                 bmc_bounded(f->value.data_length));
}

/* bmc_cache_fill() with the text at pos under f->head. */
__noinline int install(struct bmc_bucket *bucket, __u64 hash, struct fill_scratch *f, __u32 pos)
{
    if (!bucket || !f)
        return BMC_FILL_BUSY;
    return bmc_cache_fill(bucket, hash, &f->head, &f->text, bmc_bounded(pos), &f->evicted);
}

/*
 * Installs f->value, found at pos, if its grant or lease says that it may be. The counter
 * that tells what became of it.
 */
static __always_inline enum bmc_counter fill(struct fill_scratch *f, __u32 pos)
{
    const struct bmc_control *c = element(&control, 0);
    const __u32 length = f->value.end - pos;
    struct bmc_bucket *bucket;
    struct bmc_grant g;
    __u64 hash, *clock;

    if (!c)
        return BMC_COUNTER_fill_internal_keys;
    hash = value_key_hash(f, c->seed[0], c->seed[1]);
    if (bmc_config.stock.enabled) {
        if (!claim_lease(c, f->flow, hash, &g))
            return BMC_COUNTER_fill_no_lease_keys;
    } else if (!read_grant(c, hash, &g) || g.content == BMC_CONTENT_ABSENT ||
               g.content != content_hash(f, c->seed[0], c->seed[1])) {
        return BMC_COUNTER_fill_no_grant_keys;
    }
    clock = element(&clocks, bmc_clock_index(hash, c->clock_count));
    bucket = element(&buckets, bmc_bucket_index(hash, bmc_config.bucket_count));
    if (!clock || !bucket)
        return BMC_COUNTER_fill_internal_keys;
    /* Such an entry would never be served: better not to evict another for it. */
    if (bmc_clock_version(BMC_READ_ONCE(*clock)) != g.version ||
        BMC_READ_ONCE(c->generation) != g.generation)
        return BMC_COUNTER_fill_stale_keys;

    f->head.version = g.version;
    f->head.generation = g.generation;
    f->head.deadline_ns = g.deadline_ns;
    f->head.length = length;
    f->head.key_length = f->value.key_length;
    bmc_entry_set_filled(&f->head, bpf_ktime_get_ns() / 1000000000);
    f->head.sum = bmc_sum_fold(text_sum(&f->text, pos, length));
    switch (install(bucket, hash, f, pos)) {
    case BMC_FILL_DONE:
        count_add(BMC_COUNTER_evict_keys, f->evicted);
        return BMC_COUNTER_fill_keys;
    case BMC_FILL_SAME:
        return BMC_COUNTER_fill_same_keys;
    case BMC_FILL_TOO_LARGE:
        return BMC_COUNTER_fill_too_large_keys;
    default:
        count_add(BMC_COUNTER_evict_keys, f->evicted);
        return BMC_COUNTER_fill_busy_keys;
    }
}

#endif
