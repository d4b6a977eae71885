/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_ABI_CONFIG_H
#define BMC_ABI_CONFIG_H

/*
 * Load-time configuration: the loader fills `bmc_config` in .rodata before the
 * programs are verified, so that the verifier prunes what is not used.
 */

#include "served.h"
#include "stock.h"

#define BMC_MAX_MACS  16
#define BMC_MAX_VLANS 16

struct bmc_mac {
    __u8 byte[6];
    __u8 pad[2];
};

/* Addresses and ports are in network byte order. */
struct bmc_config {
    struct bmc_served served;
    __u32 mac_count;
    __u32 vlan_count;
    __u32 broadcast4_count;
    /*
     * 1 if XDP may leave requests to TC ingress: what marks them does not get there
     * from XDP in the stack (6.18: the socket buffer is copied).
     */
    __u32 hand_over;
    struct bmc_mac mac[BMC_MAX_MACS];    /* of the interfaces attached to */
    __u32 vlan[BMC_MAX_VLANS];           /* see BMC_VLAN */
    __u32 broadcast4[BMC_MAX_ADDRESSES]; /* of our subnets: no source of a request */
    __u32 bucket_count;                  /* entries of the map `buckets` */
    __u32 mtu;                           /* smallest of the interfaces, bytes of IP packet */
    /*
     * 1 if requests may come from a local stack that leaves the UDP checksum to
     * the device (veth, virtio): such a packet carries the sum of its pseudo
     * header only, and is accepted with that.
     */
    __u32 partial_checksums;
    __u32 tc_only;      /* 1 if no XDP program is attached and TC ingress sees every packet first */
    __u32 allow_listed; /* 1 if only sources in the map `allow` are answered */
    __u32 reserved;
    __u64 budget; /* bytes a second to each source, see access.h, or 0: no limit */
    struct bmc_stock_config stock;
};

/*
 * The identifiers of a frame's VLAN tags, outer one first; 0 where there is no
 * tag, or one that carries a priority only (IEEE 802.1Q 9.6). The configuration
 * lists those that this host has a device for.
 */
#define BMC_VLAN(outer, inner) ((__u32)(outer) | ((__u32)(inner) << 12))
/* Added if one of the tags is a service tag (IEEE 802.1ad). */
#define BMC_VLAN_SERVICE (1U << 24)

BMC_STATIC_ASSERT(sizeof(struct bmc_config) == sizeof(struct bmc_served) + 16 + 8 * BMC_MAX_MACS +
                                                   4 * BMC_MAX_VLANS + 4 * BMC_MAX_ADDRESSES + 32 +
                                                   sizeof(struct bmc_stock_config),
                  "no holes");

#endif
