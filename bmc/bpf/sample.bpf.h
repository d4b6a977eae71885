/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_SAMPLE_BPF_H
#define BMC_BPF_SAMPLE_BPF_H

/*
 * Samples for those who look on: keys of hits, latencies of gets that go up. What is
 * not sampled costs a few instructions, no look-up and no memory that is not touched
 * anyway.
 */

#include "../abi/sample.h"
#include "maps.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, BMC_KEY_SAMPLES);
    __type(key, __u32);
    __type(value, struct bmc_key_sample);
} key_samples SEC(".maps");

/* bmc_miss_word()s. Of all CPUs: a reply seldom leaves by that which took the request. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, BMC_MISS_PLACES);
    __type(key, __u32);
    __type(value, __u64);
} miss_times SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bmc_latency);
} miss_latency SEC(".maps");

/* Keeps the key in work as this sample of the CPU. Global: see text_sum(). */
__noinline int keep_key(struct rx_scratch *s, __u32 number)
{
    struct bmc_key_sample *sample = element(&key_samples, number % BMC_KEY_SAMPLES);
    __u32 key, length, i;

    if (!s || !sample)
        return 0;
    key = bmc_bounded(s->key);
    length = s->key_length;
    sample->hash = s->hash;
    sample->key_length = length;
    for (i = 0; i < sizeof(sample->key) / 8; i++) {
        if (8 * i >= length)
            break;
        *(__u64 *)(sample->key + 8 * i) = bmc_word(s->request.byte + key + 8 * i);
    }
    return 0;
}

/* For hit number `hits` of this CPU, 1 being the first. */
static __always_inline void sample_hit(struct rx_scratch *s, __u64 hits)
{
    if (hits % BMC_HITS_PER_SAMPLE == 0)
        keep_key(s, (__u32)(hits / BMC_HITS_PER_SAMPLE));
}

static __always_inline __u32 fold_address(const __u32 *word, int is_ipv6)
{
    return is_ipv6 ? word[0] ^ word[1] ^ word[2] ^ word[3] : word[0];
}

static __always_inline __u64 now_us(void)
{
    return bpf_ktime_get_ns() / 1000;
}

/* For a get that goes up. */
static __always_inline void note_miss(const struct rx_scratch *s)
{
    const __u64 mix = bmc_flow_mix(fold_address(s->source.word, s->is_ipv6), s->source_port,
                                   *(const __u16 *)s->request.byte);
    __u64 *place;

    if (!bmc_is_miss_sampled(mix))
        return;
    place = element(&miss_times, bmc_miss_place(mix));
    if (place)
        BMC_WRITE_ONCE(*place, bmc_miss_word(mix, now_us()));
}

/* Counts the latency of a sampled get, by its mix, once. Global: see text_sum(). */
__noinline int count_latency(__u64 mix)
{
    __u64 *place, word, reply_word;
    struct bmc_latency *latency;
    __u32 us, bucket;

    place = element(&miss_times, bmc_miss_place(mix));
    latency = element(&miss_latency, 0);
    if (!place || !latency)
        return 0;
    reply_word = bmc_miss_word(mix, now_us());
    word = BMC_READ_ONCE(*place);
    us = bmc_miss_latency(word, reply_word);
    bucket = bmc_latency_bucket(us);
    if (us >= BMC_LATENCY_MAX || bucket >= BMC_LATENCY_BUCKETS)
        return 0;
    /* Whoever empties the place counts: a reply that comes twice does so once. */
    if (__sync_val_compare_and_swap(place, word, 0) != word)
        return 0;
    latency->count[bucket]++;
    latency->sum_us += us;
    return 0;
}

/* For the first datagram of a reply to whoever asked by this flow. */
static __always_inline void end_miss(__u64 mix)
{
    if (bmc_is_miss_sampled(mix))
        count_latency(mix);
}

#endif
