/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_PROTOCOL_HASH_H
#define BMC_PROTOCOL_HASH_H

/*
 * SipHash (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF",
 * INDOCRYPT 2012), keyed with the seed of the control map so that nobody who
 * can name keys or choose values can aim a collision. Hashes of keys and of
 * contents use SipHash-1-3, the variant that Rust and Linux's HashDoS-exposed
 * tables use; 2-4 exists for the published test vectors.
 */

#include "../abi/layout.h"

struct bmc_sip {
    __u64 v0, v1, v2, v3;
};

#define BMC_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

BMC_INLINE void bmc_sip_round(struct bmc_sip *s)
{
    s->v0 += s->v1;
    s->v1 = BMC_ROTL(s->v1, 13);
    s->v1 ^= s->v0;
    s->v0 = BMC_ROTL(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = BMC_ROTL(s->v3, 16);
    s->v3 ^= s->v2;
    s->v0 += s->v3;
    s->v3 = BMC_ROTL(s->v3, 21);
    s->v3 ^= s->v0;
    s->v2 += s->v1;
    s->v1 = BMC_ROTL(s->v1, 17);
    s->v1 ^= s->v2;
    s->v2 = BMC_ROTL(s->v2, 32);
}

BMC_INLINE void bmc_sip_init(struct bmc_sip *s, const __u64 seed[2])
{
    s->v0 = 0x736f6d6570736575ULL ^ seed[0];
    s->v1 = 0x646f72616e646f6dULL ^ seed[1];
    s->v2 = 0x6c7967656e657261ULL ^ seed[0];
    s->v3 = 0x7465646279746573ULL ^ seed[1];
}

/* Absorbs one little-endian word. */
BMC_INLINE void bmc_sip_word(struct bmc_sip *s, __u64 word)
{
    s->v3 ^= word;
    bmc_sip_round(s);
    s->v0 ^= word;
}

/*
 * Absorbs the last word: up to seven remaining bytes (upper ones zero) with the
 * low byte of the total length on top, and returns the hash.
 */
BMC_INLINE __u64 bmc_sip_final(struct bmc_sip *s, __u64 tail, __u64 length)
{
    bmc_sip_word(s, tail | (length << 56));
    s->v2 ^= 0xff;
    bmc_sip_round(s);
    bmc_sip_round(s);
    bmc_sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* Keeps the low `bytes` (0..7) bytes of a little-endian word. */
BMC_INLINE __u64 bmc_low_bytes(__u64 word, __u32 bytes)
{
    return word & ((1ULL << (8 * (bytes & 7))) - 1);
}

#ifndef __bpf__
#include <string.h>

/* Reads `bytes` (0..8) bytes as a little-endian word. Host side only. */
BMC_INLINE __u64 bmc_load_le(const void *p, __u32 bytes)
{
    __u64 word = 0;

    memcpy(&word, p, bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

BMC_INLINE __u64 bmc_sip_bytes(struct bmc_sip *s, const void *data, __u32 length)
{
    const char *p = (const char *)data;
    __u32 i = 0;

    for (; i + 8 <= length; i += 8)
        bmc_sip_word(s, bmc_load_le(p + i, 8));
    return bmc_sip_final(s, bmc_load_le(p + i, length - i), length);
}

/* Hash of a key of `length` bytes: SipHash-1-3 under the seed. */
BMC_INLINE __u64 bmc_key_hash(const __u64 seed[2], const void *key, __u32 length)
{
    struct bmc_sip s;

    bmc_sip_init(&s, seed);
    return bmc_sip_bytes(&s, key, length);
}

#endif

/*
 * Starts a content hash: client flags and value length go in as the first word,
 * then the value's bytes follow as in bmc_sip_bytes(), and the result goes
 * through bmc_content_finish().
 */
BMC_INLINE void bmc_content_init(struct bmc_sip *s, const __u64 seed[2], __u32 flags, __u32 length)
{
    bmc_sip_init(s, seed);
    s->v1 ^= 0xee; /* apart from key hashes under the same seed */
    bmc_sip_word(s, ((__u64)flags << 32) | length);
}

/* Moves the one reserved value, BMC_CONTENT_ABSENT, out of the way. */
BMC_INLINE __u64 bmc_content_finish(__u64 hash)
{
    return hash == BMC_CONTENT_ABSENT ? 1 : hash;
}

#ifndef __bpf__
/*
 * Hash of what a GET returns for a present key: client flags, and the value of
 * `length` bytes without its closing CR LF.
 */
BMC_INLINE __u64 bmc_content_hash(const __u64 seed[2], __u32 flags, const void *value, __u32 length)
{
    struct bmc_sip s;

    bmc_content_init(&s, seed, flags, length);
    return bmc_content_finish(bmc_sip_bytes(&s, value, length));
}
#endif

#endif
