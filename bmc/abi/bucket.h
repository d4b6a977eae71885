/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_ABI_BUCKET_H
#define BMC_ABI_BUCKET_H

/*
 * Layout of the map `buckets`: a set-associative cache whose buckets hand out
 * their memory in blocks, so that an entry takes room by the size of its reply.
 * bmc/bpf/cache.h is the only code that writes it, and bmc/lib/entries.cpp the only
 * other that reads it.
 */

#include "types.h"

#define BMC_BLOCK_SIZE    64
#define BMC_BUCKET_BLOCKS 128 /* the first four hold the header */
#define BMC_HEADER_BLOCKS 4
#define BMC_BUCKET_WAYS   64 /* entries of one bucket; a multiple of four */

/*
 * Two pages: of entries with the longest text five fit, and 7 % of the blocks stay
 * empty. Of one page it would be 26 %.
 */
struct bmc_bucket {
    __u32 sequence; /* odd while a writer is at work; see cache.h */
    __u32 hand;     /* next way to consider for eviction */
    __u64 occupied; /* bit per way in use */
    __u64 visited;  /* bit per way: hit since the hand last passed */
    __u64 used[2];  /* bit per block of an entry; header blocks never */
    __u32 entries;  /* ways in use */
    __u8 reserved[20];
    __u8 first[BMC_BUCKET_WAYS]; /* first block of the entry; its length tells how many */
    __u16 tag[BMC_BUCKET_WAYS];  /* 0: way is empty; unique in its bucket */
    __u8 block[BMC_BUCKET_BLOCKS - BMC_HEADER_BLOCKS][BMC_BLOCK_SIZE];
};

BMC_STATIC_ASSERT(sizeof(struct bmc_bucket) == BMC_BLOCK_SIZE * BMC_BUCKET_BLOCKS, "two pages");
BMC_STATIC_ASSERT(__builtin_offsetof(struct bmc_bucket, block) ==
                      BMC_BLOCK_SIZE * BMC_HEADER_BLOCKS,
                  "the header is of whole blocks");
BMC_STATIC_ASSERT(__builtin_offsetof(struct bmc_bucket, tag) == 2 * BMC_CACHE_LINE &&
                      sizeof(__u16) * BMC_BUCKET_WAYS == 2 * BMC_CACHE_LINE,
                  "the tags are two cache lines");

/*
 * Head of an entry, at the start of its first block; the reply's text for the
 * key, "VALUE <key> <flags> <length>\r\n<value>\r\n", follows it directly.
 */
struct bmc_entry {
    __u64 version;     /* of the key's clock when the origin read the value */
    __u64 generation;  /* likewise */
    __u64 deadline_ns; /* CLOCK_MONOTONIC, or BMC_NO_DEADLINE */
    __u16 length;      /* bytes of text */
    __u16 sum;         /* ones' complement sum of the text, RFC 1071, folded */
    __u8 key_length;
    __u8 filled[3]; /* when it was installed, see below */
};

/* Seconds of CLOCK_MONOTONIC, modulo 2^24 (194 days), lowest byte first. */
#define BMC_FILLED_MASK ((1U << 24) - 1)

BMC_INLINE __u32 bmc_entry_filled(const struct bmc_entry *e)
{
    return e->filled[0] | (__u32)e->filled[1] << 8 | (__u32)e->filled[2] << 16;
}

BMC_INLINE void bmc_entry_set_filled(struct bmc_entry *e, __u32 seconds)
{
    e->filled[0] = (__u8)seconds;
    e->filled[1] = (__u8)(seconds >> 8);
    e->filled[2] = (__u8)(seconds >> 16);
}

/* All but that in the last word of the head: what two fills of the same value share. */
#define BMC_ENTRY_SHAPE ((1ULL << 40) - 1)

#define BMC_ENTRY_HEAD 32
BMC_STATIC_ASSERT(sizeof(struct bmc_entry) == BMC_ENTRY_HEAD, "half a block");

/* Blocks of an entry with a text of `length` bytes. */
BMC_INLINE __u32 bmc_entry_blocks(__u32 length)
{
    return (BMC_ENTRY_HEAD + length + BMC_BLOCK_SIZE - 1) / BMC_BLOCK_SIZE;
}

#endif
