/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_ABI_ACCESS_H
#define BMC_ABI_ACCESS_H

/*
 * Who is answered by the kernel, and how much: keys of the maps `allow` and
 * `budgets`, which are there only if the loader was asked for them.
 */

#include "served.h"

/* Of an address; part of the keys, so that one map has both families. */
#define BMC_FAMILY_IPV4 4
#define BMC_FAMILY_IPV6 6

/*
 * Key of the map `allow`, a trie of the prefixes whose addresses are answered. As
 * the kernel wants it (linux/bpf.h, struct bpf_lpm_trie_key): `length` counts bits
 * from the start of `family`.
 */
struct bmc_prefix {
    __u32 length; /* BMC_PREFIX_FAMILY more than the prefix's own */
    __u32 family;
    struct bmc_addr6 address; /* IPv4: the first word, zeros behind it */
};

#define BMC_PREFIX_FAMILY 32
#define BMC_PREFIX_MAX    (BMC_PREFIX_FAMILY + 128)

BMC_STATIC_ASSERT(sizeof(struct bmc_prefix) == 4 + BMC_PREFIX_MAX / 8, "no holes");

/* Key of the map `budgets`: an IPv4 address, or the first 64 bits of an IPv6 address. */
struct bmc_source {
    __u32 family;
    __u32 word[2]; /* network byte order; IPv4: the first word, then zero */
};

/*
 * A token bucket, the value of the map `budgets`, is one word: when the bucket will
 * be full again, in nanoseconds of CLOCK_MONOTONIC. It is empty if that is as far
 * ahead as filling takes, a second. A past time: it is full.
 */
#define BMC_BUDGET_FILL_NS 1000000000ULL

/* Sources whose buckets are kept; of more, those that asked longest ago begin anew. */
#define BMC_BUDGET_SOURCES 65536

/* The least budget, in bytes of IP packets a second: more than any reply takes. */
#define BMC_BUDGET_MIN 4096

#endif
