/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Entry points of the kernel cache. bmc/README.md has the packet walk:
 *
 *   rx_filter (first key, reply) -> hash_keys (once per further key)   hit
 *           |\-> take_grant -> hash_keys                      just written: filled from the grant
 *           \-> invalidate (once per command)                 write over UDP
 *   tx_filter -> update_cache (once per value)                fill
 *
 * skb_* are the same at TC ingress. What is sent to a stock memcached goes through
 * connection (a new TCP connection), follow (what comes over it), filter (a datagram),
 * and release (the end of that).
 */
#include "vmlinux.h"

#include "follow.bpf.h"
#include "invalidate.bpf.h"
#include "keys.bpf.h"
#include "release.bpf.h"
#include "reply.bpf.h"
#include "rx.bpf.h"
#include "take.bpf.h"
#include "tx.bpf.h"

SEC("xdp.frags")
int rx_filter(struct xdp_md *ctx)
{
    return do_rx_filter(ctx, HOOK_XDP, 0);
}

SEC("xdp.frags")
int hash_keys(struct xdp_md *ctx)
{
    return do_hash_keys(ctx, HOOK_XDP);
}

SEC("xdp.frags")
int take_grant(struct xdp_md *ctx)
{
    return do_take_grant(ctx, HOOK_XDP);
}

SEC("xdp.frags")
int invalidate(struct xdp_md *ctx)
{
    return do_invalidate(ctx, HOOK_XDP);
}

SEC("tc")
int skb_rx_filter(struct __sk_buff *ctx)
{
    return do_skb_rx_filter(ctx);
}

SEC("tc")
int skb_hash_keys(struct __sk_buff *ctx)
{
    return do_hash_keys(ctx, HOOK_TC);
}

SEC("tc")
int skb_take_grant(struct __sk_buff *ctx)
{
    return do_take_grant(ctx, HOOK_TC);
}

SEC("tc")
int skb_invalidate(struct __sk_buff *ctx)
{
    return do_invalidate(ctx, HOOK_TC);
}

SEC("tc")
int tx_filter(struct __sk_buff *ctx)
{
    return do_tx_filter(ctx);
}

SEC("tc")
int update_cache(struct __sk_buff *ctx)
{
    return do_update_cache(ctx);
}

SEC("sockops")
int connection(struct bpf_sock_ops *ctx)
{
    return do_connection(ctx);
}

SEC("sk_skb/stream_verdict")
int follow(struct __sk_buff *ctx)
{
    return do_follow(ctx);
}

SEC("socket")
int filter(struct __sk_buff *ctx)
{
    return do_filter(ctx);
}

SEC("iter/tcp")
int release(struct bpf_iter__tcp *ctx)
{
    return do_release(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
