/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_CHECKSUM_BPF_H
#define BMC_BPF_CHECKSUM_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_endian.h>

/* Ones' complement sum of a header of 4-byte words, not folded. */
static __always_inline __u64 sum_words(const __u32 *word, __u32 count)
{
    __u64 sum = 0;
    __u32 i;

#pragma unroll
    for (i = 0; i < count; i++)
        sum += word[i];
    return sum;
}

/* Sum of the pseudo header (RFC 768, RFC 8200 8.1), not folded. */
static __always_inline __u64 pseudo_header_sum(const struct rx_scratch *s, __u32 udp_length)
{
    __u64 sum = (__u64)bpf_htonl(udp_length) + bpf_htonl(IPPROTO_UDP);

    sum += (__u64)s->source.word[0] + s->destination.word[0];
    if (s->is_ipv6)
        sum += sum_words(s->source.word + 1, 3) + sum_words(s->destination.word + 1, 3);
    return sum;
}

#endif
