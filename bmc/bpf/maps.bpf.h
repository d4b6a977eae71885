/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_MAPS_BPF_H
#define BMC_BPF_MAPS_BPF_H

/* All maps, and the load-time configuration. Sizes set to 1 are the loader's. */

#include "../abi/bucket.h"
#include "../abi/config.h"
#include "../abi/counters.h"
#include "../abi/layout.h"
#include "../protocol/value.h"
#include "cache.h"

const volatile struct bmc_config bmc_config = {};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bmc_control);
} control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} clocks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bmc_grant_slot);
} grants SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_SOCKMAP);
    __uint(max_entries, BMC_MAX_ENDPOINTS);
    __type(key, __u32);
    __type(value, __u64);
} sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    /* For what the flag does to the layout: elements start at a page. */
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bmc_bucket);
} buckets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bmc_counters);
} counters SEC(".maps");

/* A value to be installed: where in `text` it is, and the head of its entry. */
struct fill_scratch {
    struct bmc_value value;
    struct bmc_entry head;
    __u64 flow; /* of the reply that it is from; with a stock memcached */
    __u32 evicted;
    __u32 reserved;
    struct bmc_text text;
};

/*
 * What the stages of one packet hand to each other. Each hook has its own: an
 * ingress packet may interrupt the egress path of its CPU.
 */
struct rx_scratch {
    __u64 generation;     /* read once, before any clock of the request */
    __u64 hash;           /* of the key in work */
    __u32 frame_length;   /* as it came */
    __u32 request_length; /* bytes of payload, frame header included */
    __u32 cursor;         /* where the next key or command starts */
    __u32 runs;           /* of stages for keys so far */
    __u32 keys;           /* looked up so far */
    __u32 values;         /* of them, answered with a value */
    __u32 text_length;    /* of the reply so far, frame header and END excluded */
    __u32 text_sum;       /* its ones' complement sum, folded */
    __u32 key;            /* the key in work, in the request */
    __u32 key_length;
    __u32 grant;    /* its place in `grants` */
    __u32 taken;    /* 1 if that has been asked for its text already */
    __u32 reason;   /* enum bmc_counter: why it goes up, if it holds no write */
    __u32 commands; /* walked by invalidate so far */
    __u32 writes;   /* of them, writes whose key was invalidated */
    __u32 l2_length;
    __u32 is_ipv6;
    __u32 partial; /* the UDP checksum is left to the device */
    __u16 source_port;
    __u16 destination_port;
    struct bmc_addr6 source; /* IPv4: the first word */
    struct bmc_addr6 destination;
    __u64 l2[3];           /* Ethernet and VLAN headers as they came */
    struct bmc_entry head; /* of the entry copied last */
    struct bmc_text request;
    struct bmc_reply reply;
    struct fill_scratch fill;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct rx_scratch);
} rx_scratch SEC(".maps"), skb_scratch SEC(".maps");

struct tx_scratch {
    __u32 length;      /* bytes of payload, frame header included */
    __u32 cursor;      /* where the next VALUE starts */
    __u32 values;      /* looked at so far */
    __u32 half_length; /* of the first datagram of a reply of two, if fill.text holds it, or 0 */
    __u32 half_ports;  /* its reply_ports() */
    __u32 reserved;
    struct fill_scratch fill;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct tx_scratch);
} tx_scratch SEC(".maps");

/*
 * Global functions: the verifier walks each once, whatever leads to it, instead
 * of once for every path through the caller (clang 19, 6.18: 203,000
 * instructions for rx_filter with this loop inlined, 23,000 with clang 14).
 */

/* bmc_text_sum(). */
__noinline __u64 text_sum(struct bmc_text *text, __u32 pos, __u32 length)
{
    if (!text)
        return 0;
    return bmc_text_sum(text, bmc_bounded(pos), bmc_bounded(length));
}

/* Value of element `index` of an array map, or NULL. */
static __always_inline void *element(void *map, __u32 index)
{
    return bpf_map_lookup_elem(map, &index);
}

static __always_inline void count_add(enum bmc_counter counter, __u64 n)
{
    struct bmc_counters *c = element(&counters, 0);

    if (c)
        c->value[counter] += n;
}

static __always_inline void count(enum bmc_counter counter)
{
    count_add(counter, 1);
}

#endif
