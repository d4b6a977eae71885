/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_PROTOCOL_DIGEST_H
#define BMC_PROTOCOL_DIGEST_H

/*
 * Hashes and checksums of stretches of a struct bmc_text, in the shape that the
 * verifier accepts; the same results as the plain functions of hash.h.
 */

#include "hash.h"
#include "scan.h"

/*
 * The last length % 8 bytes of a stretch, as a word. Taken before the loop over
 * the whole words: behind it, each exit has narrowed the length differently for
 * the verifier, which then would not see that they go on alike.
 */
BMC_INLINE __u64 bmc_text_tail(const __u8 *p, __u32 length)
{
    return bmc_low_bytes(bmc_word(p + (length & 0x7f8)), length);
}

/* bmc_key_hash() of the key at pos. pos <= BMC_TEXT_MAX, length <= BMC_KEY_MAX. */
BMC_INLINE __u64 bmc_text_key_hash(const __u64 seed[2], const struct bmc_text *text, __u32 pos,
                                   __u32 length)
{
    const __u8 *p = text->byte + pos;
    const __u64 tail = bmc_text_tail(p, length);
    struct bmc_sip s;
    __u32 i;

    bmc_sip_init(&s, seed);
    for (i = 0; i < BMC_KEY_WORDS; i++) {
        if (8 * i + 8 > length)
            break;
        bmc_sip_word(&s, bmc_word(p + 8 * i));
    }
    return bmc_sip_final(&s, tail, length);
}

/*
 * bmc_content_hash() of the value at pos. pos <= BMC_TEXT_MAX,
 * length <= BMC_TEXT_MAX.
 */
BMC_INLINE __u64 bmc_text_content_hash(const __u64 seed[2], const struct bmc_text *text,
                                       __u32 flags, __u32 pos, __u32 length)
{
    const __u8 *p = text->byte + pos;
    const __u64 tail = bmc_text_tail(p, length);
    struct bmc_sip s;
    __u32 i;

    bmc_content_init(&s, seed, flags, length);
    for (i = 0; i < BMC_TEXT_WORDS; i++) {
        if (8 * i + 8 > length)
            break;
        bmc_sip_word(&s, bmc_word(p + 8 * i));
    }
    return bmc_content_finish(bmc_sip_final(&s, tail, length));
}

/* Folds a sum of 16-bit words to 16 bits (RFC 1071), end-around carries and all. */
BMC_INLINE __u16 bmc_sum_fold(__u64 sum)
{
    __u64 high = sum >> 32;

#ifdef __bpf__
    asm volatile("" : "+r"(high)); /* or it becomes a multiplication, which takes longer */
#endif
    sum = high + (__u32)sum;            /* below 2^33 */
    sum = (sum >> 16) + (sum & 0xffff); /* below 2^17 + 2^16 */
    sum = (sum >> 16) + (sum & 0xffff); /* at most 2^16 + 1 */
    sum = (sum >> 16) + (sum & 0xffff);
    return (__u16)sum;
}

/*
 * Ones' complement sum (RFC 1071, not complemented, not folded) of `length`
 * bytes at pos, as little-endian words: the sum in memory order that the
 * Internet checksum needs. pos <= BMC_TEXT_MAX, length <= BMC_TEXT_MAX.
 */
BMC_INLINE __u64 bmc_text_sum(const struct bmc_text *text, __u32 pos, __u32 length)
{
    const __u8 *p = text->byte + pos;
    const __u64 tail = bmc_text_tail(p, length);
    __u64 sum = (tail >> 32) + (__u32)tail;
    __u32 i;

    for (i = 0; i < BMC_TEXT_WORDS; i++) {
        __u64 word;

        if (8 * i + 8 > length)
            break;
        word = bmc_word(p + 8 * i);
        sum += (word >> 32) + (__u32)word;
    }
    return sum;
}

/* A sum over text that starts at an odd offset of the datagram: bytes change sides. */
BMC_INLINE __u16 bmc_sum_swap(__u16 sum)
{
    return (__u16)((sum << 8) | (sum >> 8));
}

#endif
