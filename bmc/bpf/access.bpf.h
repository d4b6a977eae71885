/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_ACCESS_BPF_H
#define BMC_BPF_ACCESS_BPF_H

/*
 * Who is answered, and how much. Both are off unless the configuration says otherwise:
 * then the verifier removes the code, and the loader does not make the map.
 */

#include "../abi/access.h"
#include "maps.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct bmc_prefix);
    __type(value, __u8);
} allow SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, BMC_BUDGET_SOURCES);
    __type(key, struct bmc_source);
    __type(value, __u64);
} budgets SEC(".maps");

/*
 * Whether the source is among those allowed. Global: see text_sum(); inlined, it made
 * rx_filter longer even where it was pruned. Kernels before 6.8 verify it
 * also if nobody calls it, so it must not use a map that is not there.
 */
__noinline int is_allowed(struct rx_scratch *s)
{
    struct bmc_prefix key = {.length = BMC_PREFIX_FAMILY + 32, .family = BMC_FAMILY_IPV4};

    if (!s || !bmc_config.allow_listed)
        return 1;
    key.address = s->source; /* what is behind an IPv4 address is behind the length, too */
    if (s->is_ipv6) {
        key.length = BMC_PREFIX_MAX;
        key.family = BMC_FAMILY_IPV6;
    }
    return bpf_map_lookup_elem(&allow, &key) != NULL;
}

/* The token bucket of the source; a new one is full. NULL if none can be had. */
static __always_inline __u64 *budget_of(const struct rx_scratch *s, __u64 now)
{
    struct bmc_source source = {.family = BMC_FAMILY_IPV4};
    __u64 *full_at;

    source.word[0] = s->source.word[0];
    if (s->is_ipv6) {
        source.family = BMC_FAMILY_IPV6;
        source.word[1] = s->source.word[1];
    }
    full_at = bpf_map_lookup_elem(&budgets, &source);
    if (full_at)
        return full_at;
    bpf_map_update_elem(&budgets, &source, &now, BPF_NOEXIST); /* unless another CPU just has */
    return bpf_map_lookup_elem(&budgets, &source);
}

/*
 * Takes so many bytes out of the source's budget. BMC_COUNTER_hit, or why not. CPUs
 * that look at the same time may take one reply each from a bucket that has room for
 * one; nothing of it is forgotten: the bucket is full that much later.
 */
static __always_inline enum bmc_counter take_budget(const struct rx_scratch *s, __u32 bytes)
{
    const __u64 now = bpf_ktime_get_ns();
    const __u64 cost = bytes * BMC_BUDGET_FILL_NS / bmc_config.budget + 1;
    __u64 *full_at = budget_of(s, now);
    __u64 before;

    if (!full_at)
        return BMC_COUNTER_rx_pass_internal;
    before = BMC_READ_ONCE(*full_at);
    if (before + cost > now + BMC_BUDGET_FILL_NS)
        return BMC_COUNTER_rx_pass_budget;
    if (before < now) /* if another CPU is first, it is not in the past any more */
        __sync_val_compare_and_swap(full_at, before, now);
    __sync_fetch_and_add(full_at, cost);
    return BMC_COUNTER_hit;
}

#endif
