/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BENCH_TRAFFICGEN_LAYOUT_H
#define BENCH_TRAFFICGEN_LAYOUT_H

/* What bmc-trafficgen and its kernel programs share. */

#include "bmc/abi/types.h"

/*
 * Key indexes drawn before the run, for the kernel to pick from. With 2^20 draws
 * the share of any key is off by at most 0.05 percentage points (standard deviation
 * sqrt(p (1 - p) / n)), and the table takes 4 MiB. What it cannot do is to name
 * more than 2^20 different keys.
 */
#define TRAFFICGEN_SAMPLES (1U << 20)

/*
 * After so many samples the kernel goes on at a random place of the table. They
 * share a cache line, so that it waits for the memory once in 16 keys.
 */
#define TRAFFICGEN_RUN 16U

#define TRAFFICGEN_FRAME_MAX 1514 /* Ethernet header and 1500 bytes */
#define TRAFFICGEN_KEYS_MAX  64   /* of one request */
#define TRAFFICGEN_KEY_MAX   250  /* memcached's limit */

/* The request to send; constant for a run. */
struct trafficgen_request {
    __u32 length;    /* of the frame */
    __u32 udp;       /* offset of the UDP header in the frame */
    __u32 first_key; /* offset of the first key in the frame; a space lies between keys */
    __u32 key_size;
    __u32 key_count;
    __u32 digits; /* last bytes of a key that are not the same in all keys */
    /*
     * Sum of the frame's UDP datagram with its pseudo header in words of 16 bits
     * as they lie in memory, with zeros for source port, request id and digits.
     */
    __u32 sum;
    __u32 ifindex;
    __u16 first_port; /* of the client, host byte order */
    __u16 port_count;
};

/*
 * A CPU's copy of the request. The kernel writes the varying bytes into it and
 * copies the whole: a page that comes back holds the server's reply.
 */
struct trafficgen_frame {
    __u32 next_id;
    __u32 next_sample;
    __u8 byte[TRAFFICGEN_FRAME_MAX + 6];
};

/* Whose replies the sink takes. Addresses and ports in network byte order. */
struct trafficgen_sink {
    __u32 server[4]; /* IPv4: the first word */
    __u32 is_ipv6;
    __u32 key_size;
    __u16 server_port;
    __u16 pad;
    __u16 first_port; /* of the client, host byte order */
    __u16 port_count;
};

/* What the sink counts; one for each CPU. */
struct trafficgen_counters {
    __u64 frames;    /* UDP datagrams of the server to our ports */
    __u64 bytes;     /* of these frames, Ethernet headers included */
    __u64 values;    /* replies that begin with VALUE and a key of the right form */
    __u64 ends;      /* replies that are END */
    __u64 further;   /* datagrams of a reply after its first */
    __u64 malformed; /* replies that begin with VALUE and another key */
    __u64 other;     /* replies that begin otherwise */
};

#endif
