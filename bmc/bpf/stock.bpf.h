/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_STOCK_BPF_H
#define BMC_BPF_STOCK_BPF_H

/*
 * With a stock memcached as origin: what is noted of a write that is on its way to it.
 * The programs run in process context too, where another may interrupt them on the same
 * CPU, and on many CPUs at once for one slot: everything shared is written atomically.
 */

#include "../protocol/stream.h"
#include "maps.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bmc_slot);
} slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bmc_lease);
} leases SEC(".maps");

/* Counts where the counter may be written by what has interrupted us, or whom we have. */
static __always_inline void count_atomic(enum bmc_counter counter)
{
    struct bmc_counters *c = element(&counters, 0);

    if (c)
        __sync_fetch_and_add(&c->value[counter], 1);
}

/* How often a word is tried to be written that others write too. */
#define ATTEMPTS 8

/* Raises *word to `value`, if it is lower; 0 if others wrote it all the time. */
static __always_inline int raise(__u64 *word, __u64 value)
{
    __u32 i;

    for (i = 0; i < ATTEMPTS; i++) {
        const __u64 before = BMC_READ_ONCE(*word);

        if (before >= value || __sync_val_compare_and_swap(word, before, value) == before)
            return 1;
    }
    return 0;
}

/*
 * Makes all entries void, and lets nothing be installed for the guard time. Whoever
 * loses the race for the time leaves it to one who writes about the same. Global, as the
 * others: see text_sum().
 */
__noinline int advance_generation(__u64 now, __u32 reason)
{
    struct bmc_control *c = element(&control, 0);

    if (!c || reason >= BMC_COUNTER_COUNT)
        return 0;
    raise(&c->stock.unfillable_until_ns, now + bmc_config.stock.guard_ns);
    __sync_fetch_and_add(&c->generation, 2);
    count_atomic(reason);
    return 1;
}

/* No hits until user space knows that there is nothing left that is not followed. */
static __always_inline void lose_track(struct bmc_control *c, __u64 now)
{
    __sync_fetch_and_add(&c->stock.untracked, 1);
    advance_generation(now, BMC_COUNTER_advance_untracked);
    count_atomic(BMC_COUNTER_follow_untracked);
}

/* memcached's REALTIME_MAXDELTA: a larger exptime is a time of day. */
#define RELATIVE_EXPTIME_MAX (30 * 24 * 3600)

/*
 * Notes when an item with this exptime, or delay of a flush, comes to its end; 0 if that
 * failed. memcached adds it to a clock of whole seconds that is late by up to one, and
 * by what memcached itself is late, so it may be a second more or less.
 */
__noinline int note_expiry(struct bmc_expiries *e, __u32 exptime, __u64 now)
{
    const struct bmc_control *c = element(&control, 0);
    const __u64 guard = bmc_config.stock.guard_ns;
    const __u32 now_s = now / BMC_NS_PER_S;
    __s64 first, last;

    if (!c || !e)
        return 0;
    if (!exptime)
        return 1;
    if (exptime <= RELATIVE_EXPTIME_MAX) {
        first = exptime + (__s64)((now - guard / 2) / BMC_NS_PER_S) - 2;
        last = exptime + (__s64)((now + guard) / BMC_NS_PER_S) + 2;
    } else {
        first = exptime - c->stock.wall_offset_s - BMC_WALL_UNCERTAINTY_S;
        last = first + 2 * BMC_WALL_UNCERTAINTY_S + 1;
    }
    if (last < (__s64)now_s) /* it is gone at once */
        return 1;
    if (first < 0)
        first = 0;
    if (last > 0xffffffffLL) /* in a hundred years */
        last = 0xffffffffLL;
    if (first > last)
        first = last;
    return bmc_expiry_add(e, now_s, first, last);
}

/*
 * Ticks the clock of the key of s->hash, which is about to be written, with what a lease looks at
 * noted before. `pending` is 1 for a write whose value is to come, -1 if that is over.
 */
__noinline int note_write(struct bmc_stream *s, __u64 now, int pending)
{
    const struct bmc_control *c = element(&control, 0);
    struct bmc_slot *slot;
    __u64 *clock;
    __u32 index;
    int noted = 1;

    if (!c || !s)
        return 0;
    index = bmc_clock_index(s->hash, c->clock_count);
    clock = element(&clocks, index);
    slot = element(&slots, index);
    if (!clock || !slot)
        return 0;
    if (pending > 0)
        __sync_fetch_and_add(&slot->pending, 1);
    noted &= raise(&slot->unfillable_until_ns, now + bmc_config.stock.guard_ns);
    if (pending >= 0) {
        if (s->exptimes > 0)
            noted &= note_expiry(&slot->expiries, s->exptime[0], now);
        if (s->exptimes > 1)
            noted &= note_expiry(&slot->expiries, s->exptime[1], now);
    }
    bmc_barrier();
    __sync_fetch_and_add(clock, BMC_CLOCK_TICK);
    if (pending < 0)
        __sync_fetch_and_sub(&slot->pending, 1);
    count_atomic(BMC_COUNTER_follow_writes);
    if (!noted)
        advance_generation(now, BMC_COUNTER_advance_busy);
    return 1;
}

#endif
