/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_CACHE_H
#define BMC_BPF_CACHE_H

/*
 * The storage: look up and copy, fill, drop. Callers hand in the bucket of the
 * key and know nothing of its inside. Compiles for the host too, where the
 * replacement is tested.
 *
 * Readers take no lock: they read the bucket's sequence, copy, and read it
 * again. Writers try once to make the sequence odd and give up if another is at
 * work: a cache may skip a fill. The lock is never held over a tail call.
 *
 * Replacement is CLOCK over the ways of a bucket (F. J. Corbato, "A Paging
 * Experiment with the Multics System", 1968): a hit sets the way's visited bit
 * if it is clear; the hand spares a visited way once.
 */

#include "../abi/bucket.h"
#include "../protocol/digest.h"
#include "../protocol/udp_frame.h"
#include "barrier.h"

/* Room for the headers in front of a reply's text: 14 + 8 + 40 + 8 + 8, rounded up. */
#define BMC_REPLY_HEADERS 80
#define BMC_ENTRY_BLOCKS_MAX \
    ((BMC_ENTRY_HEAD + BMC_REPLY_TEXT_MAX + BMC_BLOCK_SIZE - 1) / BMC_BLOCK_SIZE)

/*
 * A reply under construction. Text starts behind the headers; whole blocks are
 * copied to its end, so there is slack for one more entry behind the longest.
 */
struct bmc_reply {
    __u8 byte[BMC_REPLY_HEADERS + BMC_TEXT_MAX + BMC_ENTRY_BLOCKS_MAX * BMC_BLOCK_SIZE];
};

enum bmc_cache_result {
    BMC_CACHE_HIT,
    BMC_CACHE_MISS,
    BMC_CACHE_BUSY /* the bucket was or is being written */
};

enum bmc_fill_result {
    BMC_FILL_DONE,
    BMC_FILL_SAME, /* the key is there at this version and generation already */
    BMC_FILL_BUSY, /* another writer is at work */
    BMC_FILL_TOO_LARGE
};

#define BMC_TAG_LANES 0x0001000100010001ULL
#define BMC_TAG_WORDS (BMC_BUCKET_WAYS / 4)
#define BMC_NO_WAY    0xff

/* Bucket of a key: the upper half of its hash scaled to the number of buckets. */
BMC_INLINE __u32 bmc_bucket_index(__u64 hash, __u32 bucket_count)
{
    return (__u32)(((hash >> 32) * bucket_count) >> 32);
}

/* Tag of a key; never 0, which marks an empty way. */
BMC_INLINE __u16 bmc_tag(__u64 hash)
{
    __u16 tag = (__u16)(hash >> 16);

    return tag ? tag : 1;
}

/*
 * Index of the lowest bit that is set in x, by the De Bruijn sequence
 * 0x03f79d71b4cb0a89 (C. E. Leiserson, H. Prokop, K. H. Randall, "Using de
 * Bruijn Sequences to Index a 1 in a Computer Word", 1998). x must not be zero.
 */
static const __u8 bmc_debruijn[64] = {
    0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,  62, 55, 59, 36, 53, 51,
    43, 22, 45, 39, 33, 30, 24, 18, 12, 5,  63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
    44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6};

BMC_INLINE __u32 bmc_lowest_bit(__u64 x)
{
    return bmc_debruijn[(((x & -x) * 0x03f79d71b4cb0a89ULL) >> 58) & 63];
}

/*
 * The way whose tag this is, or BMC_NO_WAY. Four tags at a time: a lane that
 * becomes zero is marked in its top bit. Borrows mark false lanes only above a
 * true one of the same word; the mark of lane l in word w is moved to bit
 * 16 * l + w, so the lowest mark is a true one as long as tags are unique.
 */
BMC_INLINE __u32 bmc_find_way(const struct bmc_bucket *b, __u16 tag)
{
    const __u64 *words = (const __u64 *)b->tag;
    const __u64 pattern = BMC_TAG_LANES * tag;
    __u64 marks = 0;
    __u32 i, bit;

#ifdef __clang__
#pragma unroll
#endif
    for (i = 0; i < BMC_TAG_WORDS; i++) {
        __u64 lanes = BMC_READ_ONCE(words[i]) ^ pattern;

        lanes = (lanes - BMC_TAG_LANES) & ~lanes & (BMC_TAG_LANES << 15);
        marks |= (lanes >> 15) << i;
    }
    if (!marks)
        return BMC_NO_WAY;
    bit = bmc_lowest_bit(marks);
#ifdef __bpf__
    /* Or the sum becomes an OR, of which 6.1 knows no bounds ("math between mem pointer
       and register with unbounded min value is not allowed"). */
    asm volatile("" : "+r"(bit));
#endif
    return 4 * (bit & 15) + (bit >> 4);
}

/*
 * Block number `at` of the bucket. The mask bounds it for the verifier; the
 * compiler must not know that it changes nothing (6.18: "max value is outside of
 * the allowed memory range").
 */
BMC_INLINE __u64 *bmc_block(struct bmc_bucket *b, __u32 at)
{
#ifdef __bpf__
    asm volatile("" : "+r"(at));
#endif
    return (__u64 *)((__u8 *)b + (at & (BMC_BUCKET_BLOCKS - 1)) * BMC_BLOCK_SIZE);
}

/* Stores a word at p, which need not be aligned; see bmc_word(). */
BMC_INLINE void bmc_put_word(__u8 *p, __u64 word)
{
#ifdef __bpf__
    *(volatile __u64 *)p = word;
#else
    memcpy(p, &word, sizeof(word));
#endif
}

/*
 * Looks the key at request[key, key + key_length) up and copies its text to
 * reply[at..] and its head to *head. On BMC_CACHE_HIT both are one consistent
 * entry whose whole key is equal; otherwise reply holds rubbish from `at` on.
 * at <= BMC_REPLY_HEADERS + BMC_REPLY_TEXT_MAX, key <= BMC_TEXT_MAX,
 * 1 <= key_length <= BMC_KEY_MAX.
 */
BMC_INLINE enum bmc_cache_result bmc_cache_copy(struct bmc_bucket *b, __u64 hash,
                                                const struct bmc_text *request, __u32 key,
                                                __u32 key_length, struct bmc_reply *reply, __u32 at,
                                                struct bmc_entry *head)
{
    const __u8 *wanted = request->byte + key;
    __u8 *text = reply->byte + at;
    __u32 sequence, way, first, length, i, j;
    const __u64 *from;

    sequence = BMC_READ_ONCE(b->sequence);
    if (sequence & 1)
        return BMC_CACHE_BUSY;
    bmc_barrier();

    way = bmc_find_way(b, bmc_tag(hash));
    if (way >= BMC_BUCKET_WAYS)
        return BMC_CACHE_MISS;
    first = b->first[way];

    from = bmc_block(b, first);
    *(volatile __u64 *)&head->version = from[0];
    *(volatile __u64 *)&head->generation = from[1];
    *(volatile __u64 *)&head->deadline_ns = from[2];
    *(volatile __u64 *)&head->length = from[3];
    length = BMC_READ_ONCE(head->length);
    for (j = 0; j < 4; j++)
        bmc_put_word(text + 8 * j, from[4 + j]);
    for (i = 1; i < BMC_ENTRY_BLOCKS_MAX; i++) {
        __u8 *to = text + BMC_BLOCK_SIZE * i - BMC_ENTRY_HEAD;

        if (BMC_BLOCK_SIZE * i - BMC_ENTRY_HEAD >= length)
            break;
        from = bmc_block(b, first + i);
        for (j = 0; j < 8; j++)
            bmc_put_word(to + 8 * j, from[j]);
    }

    bmc_barrier();
    if (BMC_READ_ONCE(b->sequence) != sequence)
        return BMC_CACHE_BUSY;

    if (head->key_length != key_length || length > BMC_REPLY_TEXT_MAX)
        return BMC_CACHE_MISS;
    for (i = 0; i < BMC_KEY_WORDS; i++) {
        __u64 difference;

        if (8 * i >= key_length)
            break;
        difference = bmc_word(text + 6 + 8 * i) ^ bmc_word(wanted + 8 * i);
        if (8 * i + 8 > key_length)
            difference = bmc_low_bytes(difference, key_length);
        if (difference)
            return BMC_CACHE_MISS;
    }
    if (!(BMC_READ_ONCE(b->visited) & (1ULL << way)))
        BMC_WRITE_ONCE(b->visited, b->visited | (1ULL << way));
    return BMC_CACHE_HIT;
}

/* Takes the write lock if it is free; a full barrier if it succeeds. */
BMC_INLINE int bmc_bucket_lock(struct bmc_bucket *b)
{
    __u32 sequence = BMC_READ_ONCE(b->sequence);

    return !(sequence & 1) &&
           __sync_val_compare_and_swap(&b->sequence, sequence, sequence + 1) == sequence;
}

BMC_INLINE void bmc_bucket_unlock(struct bmc_bucket *b)
{
    bmc_barrier();
    BMC_WRITE_ONCE(b->sequence, b->sequence + 1);
}

/* A bit per block of a bucket. */
struct bmc_block_set {
    __u64 low, high;
};

/* `count` (1..BMC_ENTRY_BLOCKS_MAX) blocks from `first` on. */
BMC_INLINE struct bmc_block_set bmc_blocks_from(__u32 first, __u32 count)
{
    const __u64 bits = (1ULL << (count & 63)) - 1;
    const __u32 shift = first & 63;
    struct bmc_block_set set;

    set.low = first < 64 ? bits << shift : 0;
    set.high = first < 64 ? (bits >> 1) >> (63 - shift) : bits << shift;
    return set;
}

/* Empties a way. The bucket is locked. */
BMC_INLINE void bmc_bucket_remove(struct bmc_bucket *b, __u32 way)
{
    const __u32 first = b->first[way];
    const __u16 length = (__u16)bmc_block(b, first)[3];
    const struct bmc_block_set set = bmc_blocks_from(first, bmc_entry_blocks(length));

    b->used[0] &= ~set.low;
    b->used[1] &= ~set.high;
    b->tag[way] = 0;
    b->occupied &= ~(1ULL << (way & 63));
    b->entries--;
    BMC_WRITE_ONCE(b->visited, b->visited & ~(1ULL << way));
}

/*
 * Removes the next entry that was not hit since the hand last passed it; those on the
 * way there are spared this once. There is an entry.
 */
BMC_INLINE void bmc_bucket_evict(struct bmc_bucket *b)
{
    const __u64 occupied = b->occupied;
    __u64 visited = BMC_READ_ONCE(b->visited);
    __u64 ahead = ~0ULL << (b->hand & 63); /* ways that the hand comes to before the last */
    __u64 victims = occupied & ~visited & ahead;
    __u32 way;

    if (!victims) { /* round once */
        visited &= ~ahead;
        ahead = ~0ULL;
        victims = occupied & ~visited;
    }
    if (!victims) {
        visited = 0;
        victims = occupied;
    }
    way = bmc_lowest_bit(victims);
    BMC_WRITE_ONCE(b->visited, visited & ~(ahead & ((1ULL << way) - 1)));
    b->hand = way + 1;
    bmc_bucket_remove(b, way);
}

/*
 * First block of the first `count` free ones in a row, or 0: at each step a bit stands
 * for a run of so many, until the run is long enough.
 */
BMC_INLINE __u32 bmc_free_run(const struct bmc_bucket *b, __u32 count)
{
    __u64 low = ~b->used[0] & ~0ULL << BMC_HEADER_BLOCKS;
    __u64 high = ~b->used[1];
    __u32 i;

    for (i = 0; i < 5; i++) { /* 24 -> 12 -> 6 -> 3 -> 2 -> 1 */
        __u32 half = (count >> 1) & 63;

        low &= (low >> half) | ((high << 1) << (63 - half));
        high &= high >> half;
        count -= half;
    }
    if (low)
        return bmc_lowest_bit(low);
    return high ? 64 + bmc_lowest_bit(high) : 0;
}

/*
 * Evicts entries until a way and `count` blocks in a row are free, which does not
 * take long: the first of these, or 0 if that was not to be had. Adds the number of
 * entries that had to go to *evicted. The bucket is locked.
 */
BMC_GLOBAL __u32 bmc_make_room(struct bmc_bucket *b, __u32 count, __u32 *evicted)
{
    __u32 first = 0;
    __u32 i;

    if (!b || !evicted)
        return 0;
    for (i = 0; i <= BMC_BUCKET_WAYS; i++) {
        first = bmc_free_run(b, count);
        if ((first && b->entries < BMC_BUCKET_WAYS) || !b->occupied)
            break;
        bmc_bucket_evict(b);
        ++*evicted;
    }
    return first;
}

/*
 * Installs the text source[pos, pos + head->length) under head; *evicted gets
 * the number of entries of other keys that had to go. The entry of the same
 * key, or of one with the same tag, is replaced. pos <= BMC_TEXT_MAX,
 * head->length <= BMC_REPLY_TEXT_MAX.
 */
BMC_INLINE enum bmc_fill_result bmc_cache_fill(struct bmc_bucket *b, __u64 hash,
                                               const struct bmc_entry *head,
                                               const struct bmc_text *source, __u32 pos,
                                               __u32 *evicted)
{
    const __u8 *text = source->byte + pos;
    const __u32 length = head->length;
    const __u32 count = bmc_entry_blocks(length);
    /* The sum tells another key of the same tag, version and length apart. */
    const __u64 last = bmc_word((const __u8 *)head + __builtin_offsetof(struct bmc_entry, length));
    const __u16 tag = bmc_tag(hash);
    struct bmc_block_set set;
    __u32 way, first, i, j;
    __u64 free_ways, *to;

    *evicted = 0;
    if (length > BMC_REPLY_TEXT_MAX)
        return BMC_FILL_TOO_LARGE;
    if (!bmc_bucket_lock(b))
        return BMC_FILL_BUSY;

    way = bmc_find_way(b, tag);
    if (way < BMC_BUCKET_WAYS) {
        to = bmc_block(b, b->first[way]);
        if (to[0] == head->version && to[1] == head->generation &&
            !((to[3] ^ last) & BMC_ENTRY_SHAPE)) {
            bmc_bucket_unlock(b);
            return BMC_FILL_SAME;
        }
        bmc_bucket_remove(b, way);
    }

    first = bmc_make_room(b, count, evicted);
    free_ways = ~b->occupied;
    if (!first || !free_ways) {
        bmc_bucket_unlock(b);
        return BMC_FILL_BUSY;
    }

    way = bmc_lowest_bit(free_ways);
    b->occupied |= 1ULL << way;
    b->entries++;
    set = bmc_blocks_from(first, count);
    b->used[0] |= set.low;
    b->used[1] |= set.high;
    b->first[way] = (__u8)first;
    b->tag[way] = tag;

    to = bmc_block(b, first);
    to[0] = head->version;
    to[1] = head->generation;
    to[2] = head->deadline_ns;
    to[3] = last;
    for (j = 0; j < 4; j++)
        to[4 + j] = bmc_word(text + 8 * j);
    for (i = 1; i < BMC_ENTRY_BLOCKS_MAX; i++) {
        const __u8 *from = text + BMC_BLOCK_SIZE * i - BMC_ENTRY_HEAD;

        if (BMC_BLOCK_SIZE * i - BMC_ENTRY_HEAD >= length)
            break;
        to = bmc_block(b, first + i);
        for (j = 0; j < 8; j++)
            to[j] = bmc_word(from + 8 * j);
    }
    bmc_bucket_unlock(b);
    return BMC_FILL_DONE;
}

/* Removes the entry of a key (or of one with the same tag) if the lock is free. */
BMC_INLINE void bmc_cache_drop(struct bmc_bucket *b, __u64 hash)
{
    __u32 way;

    if (bmc_find_way(b, bmc_tag(hash)) >= BMC_BUCKET_WAYS || !bmc_bucket_lock(b))
        return;
    way = bmc_find_way(b, bmc_tag(hash));
    if (way < BMC_BUCKET_WAYS)
        bmc_bucket_remove(b, way);
    bmc_bucket_unlock(b);
}

#endif
