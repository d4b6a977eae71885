/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_GRANT_BPF_H
#define BMC_BPF_GRANT_BPF_H

#include "maps.bpf.h"

/*
 * Copies the grant in the key's place; whether it is whole and for this key. Safe
 * against grants being written now: the check word does not fit half of one.
 */
static __always_inline int read_grant(const struct bmc_control *c, __u64 hash, struct bmc_grant *g)
{
    const struct bmc_grant_slot *slot = element(&grants, bmc_grant_index(hash, c->grant_count));
    const struct bmc_grant *shared;

    if (!slot)
        return 0;
    shared = &slot->grant;
    g->key_hash = BMC_READ_ONCE(shared->key_hash);
    if (g->key_hash != hash)
        return 0;
    g->version = BMC_READ_ONCE(shared->version);
    g->generation = BMC_READ_ONCE(shared->generation);
    g->deadline_ns = BMC_READ_ONCE(shared->deadline_ns);
    g->content = BMC_READ_ONCE(shared->content);
    g->text_length = BMC_READ_ONCE(shared->text_length); /* not under the check word */
    return bmc_grant_check(g) == BMC_READ_ONCE(shared->check);
}

#endif
