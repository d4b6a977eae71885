/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_LEASE_BPF_H
#define BMC_BPF_LEASE_BPF_H

/*
 * With a stock memcached as origin: a get that goes up takes a lease for a key, and its
 * reply is installed under that.
 */

#include "stock.bpf.h"

/* What a request and its reply have in common. */
struct flow {
    const __u32 *client; /* addresses, of one word or four */
    const __u32 *server;
    __u16 client_port;
    __u16 server_port;
    __u16 request_id;
    __u16 is_ipv6;
};

/* Hash of a flow, under the seed: nobody can aim a collision. */
static __always_inline __u64 flow_hash(const __u64 *seed, const struct flow *f)
{
    const __u64 seed_copy[2] = {seed[0], seed[1]};
    struct bmc_sip sip;

    bmc_sip_init(&sip, seed_copy);
    sip.v1 ^= 0xdd; /* apart from key and content hashes */
    bmc_sip_word(&sip, f->client[0] | ((__u64)f->server[0] << 32));
    if (f->is_ipv6) {
        bmc_sip_word(&sip, f->client[1] | ((__u64)f->client[2] << 32));
        bmc_sip_word(&sip, f->client[3] | ((__u64)f->server[1] << 32));
        bmc_sip_word(&sip, f->server[2] | ((__u64)f->server[3] << 32));
    }
    return bmc_sip_final(
        &sip, f->client_port | ((__u64)f->server_port << 16) | ((__u64)f->request_id << 32),
        f->is_ipv6);
}

/* Copies the lease of a place; whether it is whole. */
static __always_inline int read_lease(const struct bmc_lease *place, struct bmc_lease *l)
{
    l->flow = BMC_READ_ONCE(place->flow);
    l->key_hash = BMC_READ_ONCE(place->key_hash);
    l->version = BMC_READ_ONCE(place->version);
    l->generation = BMC_READ_ONCE(place->generation);
    l->time_ns = BMC_READ_ONCE(place->time_ns);
    l->deadline_ns = BMC_READ_ONCE(place->deadline_ns);
    l->check = BMC_READ_ONCE(place->check);
    return l->check == bmc_lease_check(l);
}

/*
 * Until when what memcached answers now about a key may be used, as far as is known of
 * its slot; 0 if not at all. The clock has been read before.
 */
static __always_inline __u64 lease_deadline(const struct bmc_control *c,
                                            const struct bmc_slot *slot, __u64 now)
{
    const __u32 now_s = now / BMC_NS_PER_S;
    __u64 next;

    bmc_barrier();
    if (!BMC_READ_ONCE(c->stock.fills) || BMC_READ_ONCE(slot->pending))
        return 0;
    bmc_barrier();
    if (BMC_READ_ONCE(slot->unfillable_until_ns) >= now ||
        BMC_READ_ONCE(c->stock.unfillable_until_ns) >= now)
        return 0;
    next = bmc_lesser(bmc_next_expiry(&slot->expiries, now_s),
                      bmc_next_expiry(&c->stock.flushes, now_s));
    return next == ~0ULL ? BMC_NO_DEADLINE : next * BMC_NS_PER_S;
}

/*
 * Takes a lease for a key whose clock was seen at `version` and whose get is about to
 * go up. Two requests within the guard time that cannot be told apart have none: the
 * reply to the one might be taken for that to the other.
 */
static __always_inline void take_lease(const struct bmc_control *c, const struct rx_scratch *s,
                                       __u64 hash, __u64 version)
{
    const struct flow f = {s->source.word,      s->destination.word,       s->source_port,
                           s->destination_port, *(__u16 *)s->request.byte, s->is_ipv6 != 0};
    const __u64 now = bpf_ktime_get_ns();
    struct bmc_lease l = {
        .key_hash = hash, .version = version, .generation = s->generation, .time_ns = now};
    struct bmc_lease before = {};
    struct bmc_lease *place;
    const struct bmc_slot *slot = element(&slots, bmc_clock_index(hash, c->clock_count));

    l.flow = flow_hash(c->seed, &f);
    place = element(&leases, bmc_lease_index(l.flow, hash, c->stock.lease_count));
    if (!slot || !place)
        return;
    l.deadline_ns = lease_deadline(c, slot, now);
    if (read_lease(place, &before) && before.flow == l.flow && before.key_hash == hash &&
        now - before.time_ns < bmc_config.stock.guard_ns) {
        l.version = BMC_LEASE_POISONED;
        count(BMC_COUNTER_lease_poisoned_keys);
    } else if (!l.deadline_ns) {
        count(BMC_COUNTER_lease_none_keys);
        return;
    } else {
        count(BMC_COUNTER_lease_keys);
    }
    BMC_WRITE_ONCE(place->check, 0);
    bmc_barrier();
    place->flow = l.flow;
    place->key_hash = l.key_hash;
    place->version = l.version;
    place->generation = l.generation;
    place->time_ns = l.time_ns;
    place->deadline_ns = l.deadline_ns;
    bmc_barrier();
    BMC_WRITE_ONCE(place->check, bmc_lease_check(&l));
}

/*
 * Claims the lease by which a value of a reply in this flow may be installed, as if it
 * were a grant: whether there is one. Nobody can claim it again.
 */
static __always_inline int claim_lease(const struct bmc_control *c, __u64 flow, __u64 hash,
                                       struct bmc_grant *g)
{
    struct bmc_lease *place = element(&leases, bmc_lease_index(flow, hash, c->stock.lease_count));
    const __u64 now = bpf_ktime_get_ns();
    const __u64 refresh = now + bmc_config.stock.refresh_ns;
    struct bmc_lease l;

    if (!place || !read_lease(place, &l) || l.flow != flow || l.key_hash != hash ||
        l.version == BMC_LEASE_POISONED)
        return 0;
    if (__sync_val_compare_and_swap(&place->check, l.check, 0) != l.check)
        return 0;
    if (now - l.time_ns >= bmc_config.stock.guard_ns || l.deadline_ns <= now)
        return 0;
    g->version = l.version;
    g->generation = l.generation;
    g->deadline_ns = l.deadline_ns < refresh ? l.deadline_ns : refresh;
    return 1;
}

#endif
