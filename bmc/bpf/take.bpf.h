/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_TAKE_BPF_H
#define BMC_BPF_TAKE_BPF_H

/*
 * Ingress, for a key that is not cached at its clock's version while its grant has
 * the value with it: installs that as if it had come in a reply, and goes back to
 * look the key up again. The origin writes such a text after a write, which the next
 * get of the key would have to fetch otherwise.
 */

#include "fill.bpf.h"
#include "keys.bpf.h"

static __always_inline int do_take_grant(void *ctx, enum hook hook)
{
    struct rx_scratch *s = hook_scratch(hook);
    const struct bmc_grant_slot *slot;
    __u32 length, i;

    if (!s)
        return pass(hook, BMC_COUNTER_rx_pass_internal);
    slot = element(&grants, s->grant);
    if (!slot)
        return pass(hook, BMC_COUNTER_rx_pass_internal);
    length = BMC_READ_ONCE(slot->grant.text_length);
    /* Copied first, verified after: the origin may write another one meanwhile. */
    for (i = 0; i < BMC_GRANT_TEXT_MAX / 8; i++) {
        if (8 * i >= length)
            break;
        *(__u64 *)(s->fill.text.byte + 8 * i) = *(const volatile __u64 *)(slot->text + 8 * i);
    }
    if (length <= BMC_GRANT_TEXT_MAX && find_value(&s->fill, 0, length) == BMC_VALUE_OK &&
        s->fill.value.end == length) {
        const enum bmc_counter outcome = fill(&s->fill, 0);

        count(outcome);
        if (outcome == BMC_COUNTER_fill_keys)
            count(BMC_COUNTER_fill_grant_keys);
    }
    return go_to(ctx, hook, RX_HASH_KEYS);
}

#endif
