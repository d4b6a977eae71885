/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_ABI_STOCK_H
#define BMC_ABI_STOCK_H

/*
 * What stands in for grants where the origin is a stock memcached, which tells us
 * nothing: times at which a clock was ticked, and what is known of the expiry of the
 * items behind it. The terms slot, guard and lease are defined in bmc/README.md.
 *
 * In this mode the generation is always even: an advance is one atomic addition of two.
 */

#include "served.h"

/* Names of the pinned maps and programs that only this mode has. */
#define BMC_PIN_SLOTS       "slots"       /* array, clock_count x struct bmc_slot */
#define BMC_PIN_LEASES      "leases"      /* array, lease_count x struct bmc_lease */
#define BMC_PIN_STREAMS     "streams"     /* hash, socket cookie -> struct bmc_stream */
#define BMC_PIN_CONNECTIONS "connections" /* sockhash, socket cookie -> TCP socket */
#define BMC_PIN_CONNECTION  "connection"  /* sockops: puts new connections into both */
#define BMC_PIN_FOLLOW      "follow"      /* sk_skb/stream_verdict on `connections` */
#define BMC_PIN_FILTER      "filter"      /* socket filter for the origin's UDP sockets */
#define BMC_PIN_RELEASE     "release"     /* iter/tcp: takes sockets out of `connections` */

/*
 * Load-time configuration, part of struct bmc_config. All zero, and pruned by the
 * verifier, unless the origin is a stock memcached.
 */
struct bmc_stock_config {
    __u64 guard_ns;     /* within half of it memcached applies a write and sends a reply */
    __u64 refresh_ns;   /* an entry is used so long, at most */
    __u64 netns_cookie; /* of the network namespace that memcached is in (SO_NETNS_COOKIE) */
    __u32 enabled;      /* 1 if the origin is a stock memcached */
    __u32 tcp_port_count;
    __u16 tcp_port[BMC_MAX_PORTS]; /* that memcached listens on; network byte order */
};

BMC_STATIC_ASSERT(sizeof(struct bmc_stock_config) == 32 + 2 * BMC_MAX_PORTS, "no holes");

/*
 * When items expire: intervals of whole seconds on CLOCK_MONOTONIC, both ends
 * included, within which it is not known whether an item is still there. The first
 * second is in the low half of a word, the last one in the high half; a word whose
 * last second is past is free. Written by compare-and-swap, word by word.
 */
#define BMC_EXPIRIES 6

struct bmc_expiries {
    __u64 interval[BMC_EXPIRIES];
};

/*
 * What is known of the keys of one clock, in the place of the same number. Whoever
 * ticks the clock writes here first.
 */
struct bmc_slot {
    __u64 unfillable_until_ns; /* guard time after the last write seen; CLOCK_MONOTONIC */
    __u32 pending;             /* writes whose value has not come to its end */
    __u32 reserved;
    struct bmc_expiries expiries;
};

BMC_STATIC_ASSERT(sizeof(struct bmc_slot) == BMC_CACHE_LINE, "one cache line");

/*
 * Part of the control map. The first line is read by every get; only the kernel
 * programs write `untracked`, and only user space `covered`, `wall_offset_s` and
 * `fills`. The other fields are written by both, with atomic operations.
 */
struct bmc_stock {
    __u64 untracked; /* how often something came that cannot be followed; it only grows */
    __u64 covered;   /* value of `untracked` for which nothing is left unfollowed: hits if equal */
    __u64 unfillable_until_ns; /* guard time after a generation advance; CLOCK_MONOTONIC */
    __s64 wall_offset_s;       /* memcached's time of day when CLOCK_MONOTONIC was zero */
    __u64 lease_count;         /* entries of the map `leases`, a power of two */
    __u32 fills;               /* 1 if values may be installed */
    __u32 reserved;
    __u64 reserved2[2];
    struct bmc_expiries flushes; /* delayed flush_all: all items expire then */
    __u64 reserved3[2];
};

BMC_STATIC_ASSERT(sizeof(struct bmc_stock) == 2 * BMC_CACHE_LINE, "whole cache lines");

/*
 * A lease: that a get of this key went up in this flow when the slot could be filled,
 * and the clock and generation that it saw before. The reply may be installed under
 * these. `check` is bmc_lease_check() over the other fields: two CPUs may write one
 * place at once. A lease that is all zero is void.
 */
struct bmc_lease {
    __u64 flow; /* hash of addresses, ports and request id */
    __u64 key_hash;
    __u64 version; /* or BMC_LEASE_POISONED */
    __u64 generation;
    __u64 time_ns;     /* CLOCK_MONOTONIC */
    __u64 deadline_ns; /* what is installed may be used until then, or BMC_NO_DEADLINE */
    __u64 check;
    __u64 reserved;
};

BMC_STATIC_ASSERT(sizeof(struct bmc_lease) == BMC_CACHE_LINE, "one cache line");

/* Two requests went up at once that nobody can tell apart: no clock shows this version. */
#define BMC_LEASE_POISONED 1ULL

/* How exactly memcached's time of day is known, in seconds either way. */
#define BMC_WALL_UNCERTAINTY_S 3

#define BMC_NS_PER_S 1000000000ULL

/* The interval as a word of struct bmc_expiries. */
BMC_INLINE __u64 bmc_interval(__u32 first_s, __u32 last_s)
{
    return first_s | ((__u64)last_s << 32);
}

/* The lesser of two numbers; global, so that the verifier does not walk on with each. */
BMC_GLOBAL __u64 bmc_lesser(__u64 a, __u64 b)
{
    return a < b ? a : b;
}

/*
 * By how much an interval has to be stretched to have [first_s, last_s] in it: 0 if it
 * has already, and 1 if the word is free.
 */
BMC_GLOBAL __u64 bmc_stretch(__u64 word, __u32 now_s, __u32 first_s, __u32 last_s)
{
    const __u32 first = (__u32)word, last = (__u32)(word >> 32);
    const __u64 before = first > first_s ? first - first_s : 0;
    const __u64 behind = last_s > last ? last_s - last : 0;

    if (last < now_s)
        return 1;
    return before + behind ? before + behind + 1 : 0;
}

/* The interval, if it must be, stretched to have [first_s, last_s] in it. */
BMC_GLOBAL __u64 bmc_stretched(__u64 word, __u32 now_s, __u32 first_s, __u32 last_s)
{
    const __u32 first = (__u32)word, last = (__u32)(word >> 32);

    if (last < now_s)
        return bmc_interval(first_s, last_s);
    return bmc_interval(first < first_s ? first : first_s, last > last_s ? last : last_s);
}

/*
 * Notes that something expires in [first_s, last_s]; now_s is this second. Where no
 * word is free, the interval that has to be stretched least is. 0 if others wrote all
 * the time: the caller must not rely on it then.
 */
BMC_INLINE int bmc_expiry_add(struct bmc_expiries *e, __u32 now_s, __u32 first_s, __u32 last_s)
{
    int attempt;
    __u32 i;

    for (attempt = 0; attempt < 4; attempt++) {
        __u64 *place, word, wanted, best = ~0ULL; /* cost, and place in the low bits */

        for (i = 0; i < BMC_EXPIRIES; i++) {
            word = *(const volatile __u64 *)&e->interval[i];
            best = bmc_lesser(best, (bmc_stretch(word, now_s, first_s, last_s) << 3) | i);
        }
        i = best & 7;
#ifdef __bpf__
        asm volatile("" : "+r"(i)); /* or another copy of it is compared than is used */
#endif
        if (i >= BMC_EXPIRIES)
            return 0;
        place = &e->interval[i];
        word = *(const volatile __u64 *)place;
        wanted = bmc_stretched(word, now_s, first_s, last_s);
        if (wanted == word || __sync_val_compare_and_swap(place, word, wanted) == word)
            return 1;
    }
    return 0;
}

/* The interval's first second, 0 if that has come and the last has not, ~0 if it has. */
BMC_GLOBAL __u64 bmc_expiry_ahead(__u64 word, __u32 now_s)
{
    const __u32 first = (__u32)word, last = (__u32)(word >> 32);

    if (last < now_s)
        return ~0ULL;
    return first <= now_s ? 0 : first;
}

/*
 * The first second from now on in which something noted expires, ~0 if none does, or 0
 * if it may be this very second.
 */
BMC_INLINE __u64 bmc_next_expiry(const struct bmc_expiries *e, __u32 now_s)
{
    __u64 next = ~0ULL;
    int i;

    for (i = 0; i < BMC_EXPIRIES; i++)
        next = bmc_lesser(next, bmc_expiry_ahead(*(const volatile __u64 *)&e->interval[i], now_s));
    return next;
}

/* Index of a lease. count is a power of two. */
BMC_INLINE __u32 bmc_lease_index(__u64 flow, __u64 key_hash, __u64 count)
{
    return (__u32)((flow ^ key_hash) & (count - 1));
}

#endif
