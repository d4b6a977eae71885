// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * Runs in front of rx_filter and takes `skip` bytes off the packet, which then
 * are the room in front of it: rubbish for a reply to take over by mistake, and
 * with enough of it a packet without room behind.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} entry SEC(".maps");

__u32 skip;

SEC("xdp.frags")
int poison(struct xdp_md *ctx)
{
    if (bpf_xdp_adjust_head(ctx, skip))
        return XDP_ABORTED;
    bpf_tail_call(ctx, &entry, 0);
    return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
