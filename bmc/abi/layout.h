/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_ABI_LAYOUT_H
#define BMC_ABI_LAYOUT_H

/*
 * The memory that the kernel programs, the loader and the origin
 * (memcached-sr) share: three mmapable BPF arrays, pinned in the folder of the
 * instance. The terms clock, grant and generation are defined in
 * bmc/README.md.
 */

#include "types.h"

/* Raised whenever anything in abi/ changes its meaning or its place. */
#define BMC_LAYOUT_VERSION 1
#define BMC_MAGIC          0x31636d62 /* "bmc1" in memory on little endian */

#define BMC_PIN_ROOT "/sys/fs/bpf/bmc"

/* Names of the pinned maps that the origin opens, in the instance's folder. */
#define BMC_PIN_CONTROL "control" /* array, 1 x struct bmc_control */
#define BMC_PIN_CLOCKS  "clocks"  /* array, clock_count x __u64 */
#define BMC_PIN_GRANTS  "grants"  /* array, grant_count x struct bmc_grant */

/*
 * No hit is served when the origin's heartbeat is older than this. memcached
 * writes it from its clock handler once a second; three seconds let two beats
 * be late.
 */
#define BMC_HEARTBEAT_LIMIT_NS 3000000000ULL

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
 * generation is odd while the meaning of all items is changing (start of an
 * origin, flush_all) and even otherwise; it only grows, also over restarts.
 * heartbeat_ns is CLOCK_MONOTONIC in nanoseconds; 0 means that no origin runs.
 * seed, clock_count and grant_count are written once by the loader before
 * anything is attached; both counts are powers of two.
 */
struct bmc_control {
    __u64 seed[2];
    __u64 generation;
    __u64 heartbeat_ns;
    __u64 clock_count;
    __u64 grant_count;
    __u32 magic;
    __u32 layout_version;
    __u32 origin_pid; /* in the origin's own pid namespace; for reports only */
    /*
     * UDP port that is served, in host byte order: an origin of another port
     * would have its data answered in the name of whoever owns this one. 0 if
     * there are several.
     */
    __u16 udp_port;
    __u16 reserved;
};

BMC_STATIC_ASSERT(sizeof(struct bmc_control) == BMC_CACHE_LINE, "one cache line");

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
    __u64 cas;
    __u64 content;
    __u64 reserved;
    __u64 check;
};

BMC_STATIC_ASSERT(sizeof(struct bmc_grant) == BMC_CACHE_LINE, "one cache line");

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
 * Check word of a grant. Detects torn reads and writes, not an adversary: the
 * fields go through multiply-and-shift steps with the finalizer constants of
 * MurmurHash3 (public domain, Austin Appleby). Never zero for a void grant.
 */
BMC_INLINE __u64 bmc_grant_check(const struct bmc_grant *g)
{
    const __u64 fields[6] = {g->key_hash,    g->version, g->generation,
                             g->deadline_ns, g->cas,     g->content};
    __u64 sum = 0x9e3779b97f4a7c15ULL; /* 2^64 / golden ratio */
    int i;

#ifdef __clang__
#pragma unroll
#endif
    for (i = 0; i < 6; i++) {
        sum = (sum ^ fields[i]) * 0xff51afd7ed558ccdULL;
        sum ^= sum >> 33;
    }
    return sum * 0xc4ceb9fe1a85ec53ULL;
}

#endif
