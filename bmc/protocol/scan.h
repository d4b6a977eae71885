/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_PROTOCOL_SCAN_H
#define BMC_PROTOCOL_SCAN_H

/*
 * Reading text a word (8 bytes) at a time. Text lies in a struct bmc_text,
 * whose slack makes every word that starts inside the text readable; bytes
 * behind the text have any value and never influence a result.
 *
 * All loops are bounded by constants and index with position + constant, which
 * is what the BPF verifier needs to see; positions are checked against
 * BMC_TEXT_MAX where they enter.
 */

#include "../abi/types.h"

#ifdef __bpf__
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "word scanners assume little endian"
#endif
#else
#include <string.h>
#endif

/*
 * Longest text that is looked at: a UDP payload (1472 bytes over IPv4 with an MTU of
 * 1500), or a reply put together of two. A multiple of 8.
 */
#define BMC_TEXT_MAX 1488
/* What a masked length of digest.h (at most 0x7f8) and a word can reach behind it. */
#define BMC_TEXT_SLACK 2064
/* memcached's KEY_MAX_LENGTH (protocol.txt, "Keys"). */
#define BMC_KEY_MAX    250
#define BMC_KEY_WORDS  ((BMC_KEY_MAX + 7) / 8)
#define BMC_TEXT_WORDS (BMC_TEXT_MAX / 8)

/* The payload of a datagram; the words behind it are readable, not meaningful. */
struct bmc_text {
    __u32 position; /* of bmc_forget() */
    __u32 reserved;
    __u8 byte[BMC_TEXT_MAX + BMC_TEXT_SLACK];
};

/* Little-endian word at p, which need not be aligned. */
BMC_INLINE __u64 bmc_word(const __u8 *p)
{
#ifdef __bpf__
    /* memcpy would become eight byte loads: the target claims strict alignment. */
    return *(const __u64 *)p;
#else
    __u64 word;

    memcpy(&word, p, sizeof(word));
    return word;
#endif
}

/* Little-endian half word (4 bytes) at p. */
BMC_INLINE __u32 bmc_half(const __u8 *p)
{
#ifdef __bpf__
    return *(const __u32 *)p;
#else
    __u32 word;

    memcpy(&word, p, sizeof(word));
    return word;
#endif
}

/*
 * Returns position, at most BMC_TEXT_MAX, in a way that the verifier sees: the
 * compiler must neither prove the comparison away nor make it on another copy of
 * the number than the one that is used (6.18: "R9 unbounded memory access"), nor
 * choose the order of the branches. The verifier first walks on where there is no
 * jump, here with the whole range, and then finds the path of the largest position
 * to be part of it; the other way round it walks everything behind twice. The first
 * instruction clears the upper half, of which it knows nothing in a global function.
 */
BMC_INLINE __u32 bmc_bounded(__u32 position)
{
#ifdef __bpf__
    asm volatile("%0 = %0\n"
                 "if %0 > %1 goto +1\n"
                 "goto +1\n"
                 "%0 = %1"
                 : "+w"(position)
                 : "i"(BMC_TEXT_MAX));
#else
    if (position > BMC_TEXT_MAX)
        position = BMC_TEXT_MAX;
#endif
    return position;
}

/*
 * bmc_bounded(), and on the BPF side a trip through memory, because the verifier
 * forgets what it knew of a number that it reads back from a map: each exit of a
 * scanner's loop otherwise leaves another range, and everything behind the loop
 * is walked once for every one of them (6.18: "BPF program is too large.
 * Processed 1000001 insn").
 */
BMC_INLINE __u32 bmc_forget(struct bmc_text *text, __u32 position)
{
#ifdef __bpf__
    *(volatile __u32 *)&text->position = position;
    position = *(volatile __u32 *)&text->position;
#else
    (void)text;
#endif
    return bmc_bounded(position);
}

/* CR LF, as bmc_two() reads it. */
#define BMC_CRLF 0x0a0d

/* Little-endian 16-bit word at p. */
BMC_INLINE __u32 bmc_two(const __u8 *p)
{
    return (__u32)p[0] | ((__u32)p[1] << 8);
}

/* The first four bytes of a command, as bmc_half() reads them. */
#define BMC_FOUR(a, b, c, d) \
    ((__u32)(a) | ((__u32)(b) << 8) | ((__u32)(c) << 16) | ((__u32)(d) << 24))

#define BMC_ONES  0x0101010101010101ULL
#define BMC_HIGHS 0x8080808080808080ULL

/*
 * Marks bytes below n (n <= 128) with their high bit. The lowest mark is exact;
 * higher ones may be false (borrow). S. E. Anderson, "Bit Twiddling Hacks",
 * "Determine if a word has a byte less than n".
 */
BMC_INLINE __u64 bmc_bytes_below(__u64 word, __u64 n)
{
    return (word - BMC_ONES * n) & ~word & BMC_HIGHS;
}

/* Index (0..7) of the lowest mark; marks must not be zero. */
BMC_INLINE __u32 bmc_first_mark(__u64 marks)
{
    __u64 below = (marks & -marks) - 1;

    return (__u32)(((below & BMC_ONES) * BMC_ONES) >> 56) - 1;
}

/*
 * Position of the first byte <= 0x20 (space or control) in [pos, end), or end.
 * Looks at no more than the words of a longest key: a result beyond
 * pos + BMC_KEY_MAX means a token that is too long, wherever it ends.
 * pos <= BMC_TEXT_MAX.
 */
BMC_INLINE __u32 bmc_token_end(const struct bmc_text *text, __u32 pos, __u32 end)
{
    const __u8 *p = text->byte + pos;
    const __u32 limit = pos + 8 * BMC_KEY_WORDS;
    __u32 i;

    for (i = 0; i < BMC_KEY_WORDS; i++) {
        __u64 marks;

        if (pos + 8 * i >= end)
            return end;
        marks = bmc_bytes_below(bmc_word(p + 8 * i), 0x21);
        if (marks) {
            __u32 at = pos + 8 * i + bmc_first_mark(marks);

            return at < end ? at : end;
        }
    }
    return limit < end ? limit : end;
}

/* Position just behind the first line feed in [pos, end), or 0 if there is none. */
BMC_INLINE __u32 bmc_line_end(const struct bmc_text *text, __u32 pos, __u32 end)
{
    const __u8 *p = text->byte + pos;
    __u32 i;

    for (i = 0; i < BMC_TEXT_WORDS; i++) {
        __u64 marks;

        if (pos + 8 * i >= end)
            return 0;
        /* A byte is a line feed if it becomes zero, the only value below 1. */
        marks = bmc_bytes_below(bmc_word(p + 8 * i) ^ (BMC_ONES * '\n'), 1);
        if (marks) {
            __u32 at = pos + 8 * i + bmc_first_mark(marks);

            return at < end ? at + 1 : 0;
        }
    }
    return 0;
}

struct bmc_number {
    __u64 value;
    __u32 end; /* position behind the last digit; equal to pos if there is none */
};

/* Most digits that bmc_number_at() reads: those of 2^32 - 1. */
#define BMC_NUMBER_DIGITS 10

/*
 * Decimal number at pos, at most BMC_NUMBER_DIGITS digits (an eleventh is left
 * unread, so that the caller's check for a delimiter fails). pos <= BMC_TEXT_MAX.
 */
BMC_INLINE struct bmc_number bmc_number_at(const struct bmc_text *text, __u32 pos)
{
    struct bmc_number n = {0, pos};
    __u32 i;

    for (i = 0; i < BMC_NUMBER_DIGITS; i++) {
        __u32 digit = (__u32)text->byte[pos + i] - '0';

        if (digit > 9)
            break;
        n.value = n.value * 10 + digit;
        n.end = pos + i + 1;
    }
    return n;
}

#endif
