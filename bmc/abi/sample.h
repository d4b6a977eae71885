/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_ABI_SAMPLE_H
#define BMC_ABI_SAMPLE_H

/*
 * What the kernel programs sample: keys of hits, and how long gets take that go up.
 * bmc/bpf/sample.bpf.h writes it, bmc/lib/samples.cpp reads it.
 */

#include "types.h"

/* Names of the pinned maps. */
#define BMC_PIN_KEY_SAMPLES  "key_samples"  /* per-CPU array, struct bmc_key_sample */
#define BMC_PIN_MISS_LATENCY "miss_latency" /* per-CPU array, 1 x struct bmc_latency */

/*
 * Every so many hits of a CPU one leaves a key, the last of its request. A power of
 * two: what is counted anyway tells which hit it is.
 */
#define BMC_HITS_PER_SAMPLE 256
/* Samples of a CPU that are kept, in a ring. A power of two. */
#define BMC_KEY_SAMPLES 256

/*
 * A key. Written and read without a lock: one whose hash is not that of its bytes is
 * half written. All zero while there is none.
 */
struct bmc_key_sample {
    __u64 hash; /* bmc_key_hash() */
    __u32 key_length;
    __u32 reserved;
    __u8 key[256]; /* bytes behind the key have no meaning */
};

BMC_STATIC_ASSERT(sizeof(struct bmc_key_sample) == 16 + 256, "no holes");

/*
 * Gets that go up are known by their flow: sender, port and request id, mixed into a
 * word. One in so many notes its time, in a place of a table.
 */
#define BMC_MISSES_PER_SAMPLE 32
#define BMC_MISS_PLACES       1024
/* A reply that comes later, in microseconds, is taken for that of another request. */
#define BMC_LATENCY_MAX (1U << 24)

/* Mixes what tells a request over UDP apart; the multiplier is that of Fibonacci hashing. */
BMC_INLINE __u64 bmc_flow_mix(__u32 address, __u16 port, __u16 request_id)
{
    __u64 mix = ((__u64)address << 32 | (__u32)port << 16 | request_id) * 0x9e3779b97f4a7c15ULL;

    return (mix ^ (mix >> 29)) * 0x9e3779b97f4a7c15ULL;
}

BMC_INLINE int bmc_is_miss_sampled(__u64 mix)
{
    return (mix >> 32) % BMC_MISSES_PER_SAMPLE == 0;
}

BMC_INLINE __u32 bmc_miss_place(__u64 mix)
{
    return (__u32)(mix >> 40) % BMC_MISS_PLACES;
}

/*
 * A word of the table: when a get went up, in microseconds of CLOCK_MONOTONIC modulo
 * 2^40, above what tells its flow from others of the same place. Never 0, which marks an
 * empty place.
 */
#define BMC_MISS_TIME_MASK ((1ULL << 40) - 1)

BMC_INLINE __u64 bmc_miss_word(__u64 mix, __u64 time_us)
{
    return (time_us & BMC_MISS_TIME_MASK) << 24 | (mix & 0xfffffe) | 1;
}

/* Microseconds from the one to the other of the same flow, or BMC_LATENCY_MAX. */
BMC_INLINE __u32 bmc_miss_latency(__u64 word, __u64 reply_word)
{
    __u64 passed = ((reply_word >> 24) - (word >> 24)) & BMC_MISS_TIME_MASK;

    if (!word || (word ^ reply_word) & 0xffffff || passed > BMC_LATENCY_MAX)
        return BMC_LATENCY_MAX;
    return (__u32)passed;
}

/*
 * A histogram: count[0] is of latencies below a microsecond, count[i] of those from
 * 2^(i-1) up to 2^i microseconds, without the latter.
 */
#define BMC_LATENCY_BUCKETS 25

BMC_STATIC_ASSERT(1U << (BMC_LATENCY_BUCKETS - 1) == BMC_LATENCY_MAX, "holds all that count");

struct bmc_latency {
    __u64 count[BMC_LATENCY_BUCKETS];
    __u64 sum_us;
};

/* The number of bits of a latency below BMC_LATENCY_MAX, which is its bucket. */
BMC_INLINE __u32 bmc_latency_bucket(__u32 us)
{
    __u32 bits = 0;
    __u32 step;

#ifdef __clang__
#pragma unroll
#endif
    for (step = 16; step; step >>= 1) {
        if (us >> step) {
            us >>= step;
            bits += step;
        }
    }
    return bits + us; /* what is left is the highest bit, or nothing */
}

#endif
