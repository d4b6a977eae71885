/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_HOOK_BPF_H
#define BMC_BPF_HOOK_BPF_H

/*
 * The two places where requests are answered, XDP and TC ingress: one source, which
 * says `hook` where they differ. Each function is inlined with a constant for it.
 */

#include "maps.bpf.h"

enum hook { HOOK_XDP, HOOK_TC };

enum rx_stage { RX_HASH_KEYS, RX_INVALIDATE, RX_TAKE_GRANT, RX_STAGE_COUNT };

int hash_keys(struct xdp_md *ctx);
int take_grant(struct xdp_md *ctx);
int invalidate(struct xdp_md *ctx);

int skb_hash_keys(struct __sk_buff *ctx);
int skb_take_grant(struct __sk_buff *ctx);
int skb_invalidate(struct __sk_buff *ctx);

/* The stages; each is a program of its own so that the verifier walks it alone. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, RX_STAGE_COUNT);
    __uint(key_size, sizeof(__u32));
    __array(values, int(struct xdp_md *));
} rx_stages SEC(".maps") = {
    .values =
        {[RX_HASH_KEYS] = &hash_keys, [RX_TAKE_GRANT] = &take_grant, [RX_INVALIDATE] = &invalidate},
};

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, RX_STAGE_COUNT);
    __uint(key_size, sizeof(__u32));
    __array(values, int(struct __sk_buff *));
} skb_stages SEC(".maps") = {
    .values = {[RX_HASH_KEYS] = &skb_hash_keys,
               [RX_TAKE_GRANT] = &skb_take_grant,
               [RX_INVALIDATE] = &skb_invalidate},
};

/* Whether the hook sees requests before the other does. */
static __always_inline int sees_first(enum hook hook)
{
    return hook == HOOK_XDP || bmc_config.tc_only;
}

static __always_inline void *hook_data(void *ctx, enum hook hook)
{
    return hook == HOOK_XDP ? (void *)(long)((struct xdp_md *)ctx)->data
                            : (void *)(long)((struct __sk_buff *)ctx)->data;
}

static __always_inline void *hook_data_end(void *ctx, enum hook hook)
{
    return hook == HOOK_XDP ? (void *)(long)((struct xdp_md *)ctx)->data_end
                            : (void *)(long)((struct __sk_buff *)ctx)->data_end;
}

/*
 * A number below 2048, once more in a way that the verifier sees. 6.1 does not know of a
 * comparison where another copy of the number is used, nor bounds of what comes back
 * from the stack ("R7 unbounded memory access").
 */
static __always_inline __u32 bounded_again(__u32 number)
{
    asm volatile("" : "+r"(number));
    return number & 2047;
}

/*
 * The same of a length from 1 to 2048. 6.12 has no lower bound for a difference ("R4
 * invalid zero-sized read"), 6.1 none for what comes back from the stack ("R3 min value
 * is outside of the allowed memory range").
 */
static __always_inline __u32 bounded_length(__u32 length)
{
    return bounded_again(length - 1) + 1;
}

/* Bytes of the frame, fragments of the buffer included. */
static __always_inline __u32 hook_length(void *ctx, enum hook hook)
{
    return hook == HOOK_XDP ? bpf_xdp_get_buff_len(ctx) : ((struct __sk_buff *)ctx)->len;
}

static __always_inline long hook_load(void *ctx, enum hook hook, __u32 offset, void *to,
                                      __u32 length)
{
    return hook == HOOK_XDP ? bpf_xdp_load_bytes(ctx, offset, to, length)
                            : bpf_skb_load_bytes(ctx, offset, to, length);
}

/* What the stages of a packet hand to each other. */
static __always_inline struct rx_scratch *hook_scratch(enum hook hook)
{
    return hook == HOOK_XDP ? element(&rx_scratch, 0) : element(&skb_scratch, 0);
}

/*
 * TC_ACT_UNSPEC (linux/pkt_cls.h) and TCX_NEXT are the same -1: filters behind
 * ours still see the packet.
 */
#define TC_NEXT (-1)
#define TC_DROP 2 /* TC_ACT_SHOT and TCX_DROP */

/* Lets the packet go on, for a counted reason. */
static __always_inline int pass(enum hook hook, enum bmc_counter reason)
{
    count(reason);
    return hook == HOOK_XDP ? XDP_PASS : TC_NEXT;
}

/* Goes on in another stage; never returns to its caller. */
static __always_inline int go_to(void *ctx, enum hook hook, enum rx_stage stage)
{
    if (hook == HOOK_XDP)
        bpf_tail_call(ctx, &rx_stages, stage);
    else
        bpf_tail_call(ctx, &skb_stages, stage);
    return pass(hook, BMC_COUNTER_rx_pass_tail_call);
}

/*
 * Lets a datagram that may hold writes go on, for this reason unless it does: each
 * is looked at first, by the stage `invalidate`.
 */
static __always_inline int pass_walked(void *ctx, enum hook hook, struct rx_scratch *s,
                                       enum bmc_counter reason)
{
    s->reason = reason;
    s->cursor = BMC_FRAME_SIZE;
    return go_to(ctx, hook, RX_INVALIDATE);
}

/*
 * What XDP leaves in front of a request that TC ingress is to answer, as metadata
 * of the frame: "bmc hand". Nobody but this host's XDP programs can write there, and
 * TC ingress believes nothing else of it.
 */
#define HANDED 0x646e616820636d62ULL

/*
 * Leaves a request, untouched, to TC ingress, where a frame has room for any reply;
 * or, where metadata does not get there, to the origin for this reason.
 */
static __always_inline int hand_over(struct xdp_md *ctx, enum bmc_counter reason)
{
    __u64 *mark;

    if (!bmc_config.hand_over || bpf_xdp_adjust_meta(ctx, -(int)sizeof(*mark)))
        return pass(HOOK_XDP, reason);
    mark = (void *)(long)ctx->data_meta;
    if ((void *)(mark + 1) > (void *)(long)ctx->data)
        return pass(HOOK_XDP, BMC_COUNTER_rx_pass_internal);
    *mark = HANDED;
    return pass(HOOK_XDP, BMC_COUNTER_rx_handed);
}

static __always_inline int is_handed(struct __sk_buff *ctx)
{
    const __u64 *mark = (void *)(long)ctx->data_meta;

    return (void *)(mark + 1) <= (void *)(long)ctx->data && *mark == HANDED;
}

#endif
