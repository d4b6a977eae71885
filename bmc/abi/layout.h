/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_ABI_LAYOUT_H
#define BMC_ABI_LAYOUT_H

/*
 * The memory that the kernel programs, the loader and the origin
 * (memcached-sr) share: three mmapable BPF arrays and a map of sockets, pinned
 * in the folder of the instance. The terms clock, version, tick, grant and
 * generation are defined in bmc/README.md.
 */

#include "served.h"
#include "stock.h"

/* Raised whenever anything in abi/ but counters.h changes its meaning or its place. */
#define BMC_LAYOUT_VERSION 5
#define BMC_MAGIC          0x31636d62 /* "bmc1" in memory on little endian */

#define BMC_PIN_ROOT "/sys/fs/bpf/bmc"

/* Names of the pinned maps that the origin opens, in the instance's folder. */
#define BMC_PIN_CONTROL "control" /* array, 1 x struct bmc_control */
#define BMC_PIN_CLOCKS  "clocks"  /* array, clock_count x __u64 */
#define BMC_PIN_GRANTS  "grants"  /* array, grant_count x struct bmc_grant_slot */

/*
 * The UDP sockets by which the origin answers: a sockmap with a place for every
 * endpoint (bmc_endpoint()). The kernel takes a socket out when it is closed,
 * however its process ends, and before its port is free for anybody else
 * (Linux, net/core/sock_map.c: sock_map_close()). Where no socket is, no origin
 * is, and no hit.
 */
#define BMC_PIN_SOCKETS "sockets"

/* A deadline that never comes: items without an exptime. */
#define BMC_NO_DEADLINE (~0ULL)

/*
 * Value of bmc_grant.content for a key that the origin looked up and did not
 * have. bmc_content_hash() never returns it.
 */
#define BMC_CONTENT_ABSENT 0ULL

/*
 * The control map. The first line holds everything the hit path reads.
 *
 * generation is odd while the meaning of all items is changing (start of an origin,
 * flush_all) and even otherwise; it only grows, by atomic additions: the origin's of 1,
 * those of `bmc flush` of 2. The origin writes origin_pid too, the loader the rest, once,
 * before anything is attached. Both counts are powers of two.
 */
struct bmc_control {
    __u64 seed[2];
    __u64 generation;
    __u64 clock_count;
    __u64 grant_count;
    __u64 netns_cookie; /* of the network namespace that is attached to (SO_NETNS_COOKIE) */
    __u32 magic;
    __u32 layout_version;
    __u32 origin_pid; /* in the origin's own pid namespace, 0 if none; for reports only */
    __u32 reserved;
    struct bmc_served served;
    __u64 reserved2[4];
    struct bmc_stock stock; /* all zero with memcached-sr */
};

BMC_STATIC_ASSERT(__builtin_offsetof(struct bmc_control, served) == BMC_CACHE_LINE,
                  "one cache line before");
BMC_STATIC_ASSERT(__builtin_offsetof(struct bmc_control, stock) % BMC_CACHE_LINE == 0,
                  "starts a cache line");

/*
 * A clock is a word: the version is all of it but the lowest bit, which says that
 * a hit of one of its keys was served. A hit sets it if it is clear; the origin
 * clears it and spares the item, which would be the first to be evicted
 * otherwise: its own lookups do not see hits.
 */
#define BMC_CLOCK_VISITED 1ULL
#define BMC_CLOCK_TICK    2ULL /* what a tick adds */

BMC_INLINE __u64 bmc_clock_version(__u64 clock)
{
    return clock & ~BMC_CLOCK_VISITED;
}

/*
 * A grant: the origin's statement, written under the item lock, that at clock
 * version `version` and generation `generation` the key with hash `key_hash`
 * has the value that hashes to `content`, or is absent. `check` is
 * bmc_grant_check() over the other fields, because two threads may write one
 * grant at once and a reader may see half of either.
 * A grant that is all zero is void.
 */
struct bmc_grant {
    __u64 key_hash;
    __u64 version;
    __u64 generation;
    __u64 deadline_ns; /* CLOCK_MONOTONIC, or BMC_NO_DEADLINE */
    __u64 content;
    __u32 text_length; /* at most BMC_GRANT_TEXT_MAX */
    __u32 reserved[3];
    __u64 check;
};

BMC_STATIC_ASSERT(sizeof(struct bmc_grant) == BMC_CACHE_LINE, "one cache line");

/*
 * A place of the map `grants`. The value that a grant is about comes to the kernel in
 * a reply, or, as long as text_length is not zero, in `text`:
 * "VALUE <key> <flags> <bytes>\r\n<value>\r\n". Either way `content` tells whether the
 * bytes are those that the grant is about, so neither text nor text_length is under
 * the check word.
 */
#define BMC_GRANT_TEXT_MAX 448

struct bmc_grant_slot {
    struct bmc_grant grant;
    __u8 text[BMC_GRANT_TEXT_MAX];
};

BMC_STATIC_ASSERT(sizeof(struct bmc_grant_slot) == 8 * BMC_CACHE_LINE, "whole cache lines");

/* Index of a key's clock. count is a power of two. */
BMC_INLINE __u32 bmc_clock_index(__u64 key_hash, __u64 count)
{
    return (__u32)(key_hash & (count - 1));
}

/* Index of a key's grant. count is a power of two. */
BMC_INLINE __u32 bmc_grant_index(__u64 key_hash, __u64 count)
{
    return (__u32)(key_hash & (count - 1));
}

/*
 * Check word of some fields. Detects torn reads and writes, not an adversary: the
 * fields go through multiply-and-shift steps with the finalizer constants of
 * MurmurHash3 (public domain, Austin Appleby). Never zero for fields that are all zero.
 */
BMC_INLINE __u64 bmc_check(const __u64 *fields, int count)
{
    __u64 sum = 0x9e3779b97f4a7c15ULL; /* 2^64 / golden ratio */
    int i;

#ifdef __clang__
#pragma unroll
#endif
    for (i = 0; i < count; i++) {
        sum = (sum ^ fields[i]) * 0xff51afd7ed558ccdULL;
        sum ^= sum >> 33;
    }
    return sum * 0xc4ceb9fe1a85ec53ULL;
}

BMC_INLINE __u64 bmc_grant_check(const struct bmc_grant *g)
{
    const __u64 fields[5] = {g->key_hash, g->version, g->generation, g->deadline_ns, g->content};

    return bmc_check(fields, 5);
}

BMC_INLINE __u64 bmc_lease_check(const struct bmc_lease *l)
{
    const __u64 fields[6] = {l->flow,       l->key_hash, l->version,
                             l->generation, l->time_ns,  l->deadline_ns};

    return bmc_check(fields, 6);
}

#endif
