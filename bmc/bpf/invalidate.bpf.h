/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_INVALIDATE_BPF_H
#define BMC_BPF_INVALIDATE_BPF_H

/*
 * Ingress, for datagrams that are not a plain get: one command of the datagram a
 * run. The key of a write has its clock advanced before the origin sees the
 * write, so that a client which sends a write and then a get over one socket does
 * not overtake itself. (Coherence does not rest on this: the origin advances the
 * clock when it applies the write.) The packet is not touched and always goes up.
 */

#include "../protocol/command.h"
#include "hook.bpf.h"

#define RX_COMMANDS_MAX 24
/* Keys looked up and commands walked for one packet; see RX_KEYS_MAX. */
#define RX_RUNS_MAX 31

/* Advances the key's clock and gives the memory of its entry back. */
static __always_inline int advance_clock(struct rx_scratch *s, __u32 key, __u32 key_length)
{
    const struct bmc_control *c = element(&control, 0);
    struct bmc_bucket *bucket;
    __u64 hash, *clock;

    if (!c || key > BMC_TEXT_MAX || key_length > BMC_KEY_MAX)
        return -1;
    hash = bmc_text_key_hash(c->seed, &s->request, key, key_length);
    clock = element(&clocks, bmc_clock_index(hash, c->clock_count));
    bucket = element(&buckets, bmc_bucket_index(hash, bmc_config.bucket_count));
    if (!clock || !bucket)
        return -1;
    __sync_fetch_and_add(clock, BMC_CLOCK_TICK);
    bmc_cache_drop(bucket, hash);
    count(BMC_COUNTER_invalidate_keys);
    return 0;
}

/* The datagram goes up: as one with writes if there was one, else for the reason it came with. */
static __always_inline int end_of_commands(enum hook hook, const struct rx_scratch *s)
{
    enum bmc_counter reason = s->writes ? BMC_COUNTER_rx_pass_write : s->reason;

    return pass(hook, reason < BMC_COUNTER_COUNT ? reason : BMC_COUNTER_rx_pass_internal);
}

static __always_inline int do_invalidate(void *ctx, enum hook hook)
{
    struct rx_scratch *s = hook_scratch(hook);
    struct bmc_command c = {};
    __u32 pos, end;

    if (!s)
        return pass(hook, BMC_COUNTER_rx_pass_internal);
    pos = bmc_bounded(s->cursor);
    end = bmc_bounded(s->request_length);
    if (pos >= end)
        return end_of_commands(hook, s);
    if (s->commands >= RX_COMMANDS_MAX || s->runs + s->commands >= RX_RUNS_MAX) {
        count(BMC_COUNTER_invalidate_incomplete);
        return end_of_commands(hook, s);
    }
    s->commands++;

    switch (bmc_command_at(&s->request, pos, end, &c)) {
    case BMC_COMMAND_CUT:
        return end_of_commands(hook, s);
    case BMC_COMMAND_WRITE:
        if (advance_clock(s, c.key, c.key_length))
            return pass(hook, BMC_COUNTER_rx_pass_internal);
        s->writes++;
        break;
    case BMC_COMMAND_OTHER:
        break;
    }
    s->cursor = c.next;
    return go_to(ctx, hook, RX_INVALIDATE);
}

#endif
