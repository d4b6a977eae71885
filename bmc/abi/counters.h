/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_ABI_COUNTERS_H
#define BMC_ABI_COUNTERS_H

/*
 * Every counter of the kernel programs: X(name, help). The enum, the storage,
 * the report of `bmc stats` and the metric names all come from this one list.
 * Names ending in _keys count keys, follow_* and advance_* what they say, all others
 * packets.
 *
 * Every packet that arrives counts once in rx_other or rx_requests; a request
 * ends in exactly one of hit, an rx_pass_* or an rx_miss_* reason, at XDP or, if it
 * was handed over, at TC ingress. (IP that is not plain but addressed to us counts its
 * rx_pass_* reason only: it names no port.)
 */

#include "types.h"

#define BMC_COUNTERS(X)                                                                       \
    /* ingress: what came */                                                                  \
    X(rx_other, "packets that are not UDP for a configured address and port")                 \
    X(rx_requests, "UDP datagrams for a configured address and port")                         \
    X(rx_gets, "well-formed get requests among them")                                         \
    /* ingress: answered by the kernel */                                                     \
    X(hit, "get requests answered by the kernel")                                             \
    X(hit_tc, "of them, answered at TC ingress")                                              \
    X(hit_keys, "keys answered with a value")                                                 \
    X(hit_absent_keys, "keys answered as absent")                                             \
    X(rx_handed, "handed from XDP to TC ingress: no room, or two datagrams")                  \
    /* ingress: passed up because the packet is not plain */                                  \
    X(rx_pass_fragment, "passed up: IP fragment")                                             \
    X(rx_pass_ip_options, "passed up: IPv4 options or IPv6 extension headers")                \
    X(rx_pass_ip_header, "passed up: IP version, length or header checksum is wrong")         \
    X(rx_pass_address, "passed up: source address that the IP stack would refuse")            \
    X(rx_pass_source, "passed up: source address that is not among those allowed")            \
    X(rx_pass_budget, "passed up: replies to this source are over their budget")              \
    X(rx_pass_mac, "passed up: Ethernet destination is not an attached interface")            \
    X(rx_pass_vlan, "passed up: VLAN tag that this host has no device for")                   \
    X(rx_pass_udp_length, "passed up: UDP length does not match the packet")                  \
    X(rx_pass_checksum, "passed up: UDP checksum is wrong, absent or ambiguous")              \
    X(rx_pass_too_long, "passed up: request longer than a plain Ethernet frame")              \
    X(rx_pass_frame_header, "passed up: not a whole memcached UDP request (sequence 0 of 1)") \
    X(rx_pass_command, "passed up: not a get and not a write")                                \
    X(rx_pass_write, "passed up: a write command, its keys invalidated")                      \
    X(rx_pass_syntax, "passed up: a get that is not in plain form")                           \
    X(rx_pass_keys, "passed up: more keys than one pass can look up or take")                 \
    X(rx_pass_origin, "passed up: no origin answers at this address")                         \
    X(rx_pass_generation, "passed up: a flush or a start of the origin is in progress")       \
    X(rx_pass_untracked, "passed up: a connection to the stock memcached is not followed")    \
    X(rx_pass_too_large, "passed up: the reply would take more than two datagrams")           \
    X(rx_pass_mtu, "passed up: the reply would not fit the MTU")                              \
    X(rx_pass_room, "passed up: the frame cannot grow to the size of the reply")              \
    X(rx_pass_internal, "passed up: a map or helper failed; should never count")              \
    X(rx_pass_tail_call, "passed up: a stage was not there")                                  \
    X(rx_dropped, "dropped: a reply could not be finished; should never count")               \
    /* ingress: get requests passed up because of a key */                                    \
    X(rx_miss, "missed: a key is not cached")                                                 \
    X(rx_miss_clock, "missed: a key was written since it was cached")                         \
    X(rx_miss_generation, "missed: cached before a flush or restart of the origin")           \
    X(rx_miss_expired, "missed: a key's exptime has come")                                    \
    X(rx_miss_busy, "missed: a bucket was being written")                                     \
    /* ingress: writes seen */                                                                \
    X(invalidate_keys, "clocks advanced for write commands that came over UDP")               \
    X(invalidate_incomplete, "datagrams with writes that were not followed to their end")     \
    /* ingress: leases, with a stock memcached */                                             \
    X(lease_keys, "keys of gets passed up whose reply may be installed")                      \
    X(lease_none_keys, "keys that may not: written, expired or flushed not long ago")         \
    X(lease_poisoned_keys, "keys that may not: two requests that cannot be told apart")       \
    /* writes to a stock memcached, over TCP and UDP */                                       \
    X(follow_connections, "TCP connections to memcached that are followed")                   \
    X(follow_commands, "commands to memcached that were read")                                \
    X(follow_writes, "clocks advanced for them")                                              \
    X(follow_values, "values that came in more than one piece")                               \
    X(follow_overlaps, "segments of TCP whose first bytes had come before")                   \
    X(follow_untracked, "connections and datagrams that cannot be followed")                  \
    X(advance_flush, "generation advanced: flush_all")                                        \
    X(advance_untracked, "generation advanced: what comes cannot be followed")                \
    X(advance_busy, "generation advanced: a slot was written by too many at once")            \
    /* egress */                                                                              \
    X(tx_other, "packets that are not plain UDP from a configured port")                      \
    X(tx_replies, "UDP datagrams of the origin from a configured port")                       \
    X(tx_pass_length, "not used to fill: empty, or longer than a plain Ethernet frame")       \
    X(tx_halves, "first of two datagrams of a reply, kept for the second")                    \
    X(tx_pass_sequence, "not used to fill: part of a longer reply")                           \
    X(tx_pass_no_value, "not used to fill: not a reply with values")                          \
    X(tx_pass_syntax, "not used to fill: a reply that is not in plain form")                  \
    X(tx_pass_values, "not used to fill further: more values than one pass can look at")      \
    X(tx_pass_internal, "not used to fill: a map or helper failed; should never count")       \
    X(tx_pass_tail_call, "not used to fill: a stage was not there")                           \
    X(fill_keys, "values installed")                                                          \
    X(fill_grant_keys, "of them, from the grant of a write instead of a reply")               \
    X(fill_same_keys, "values already installed at this clock version")                       \
    X(fill_no_grant_keys, "values not installed: no matching grant")                          \
    X(fill_no_lease_keys, "values not installed: no lease of a stock memcached's reply")      \
    X(fill_stale_keys, "values not installed: granted or leased before a write or flush")     \
    X(fill_too_large_keys, "values not installed: they do not fit two datagrams")             \
    X(fill_internal_keys, "values not installed: a map failed; should never count")           \
    X(fill_busy_keys, "values not installed: the bucket was being written")                   \
    X(evict_keys, "entries removed to make room")

enum bmc_counter {
#define X(name, help) BMC_COUNTER_##name,
    BMC_COUNTERS(X)
#undef X
        BMC_COUNTER_COUNT
};

/* The one element of the per-CPU array map `counters`. */
struct bmc_counters {
    __u64 value[BMC_COUNTER_COUNT];
};

#endif
