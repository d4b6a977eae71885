/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_ABI_SERVED_H
#define BMC_ABI_SERVED_H

/* Where an instance answers: every address of two lists on every port of a third. */

#include "types.h"

#define BMC_MAX_PORTS     8
#define BMC_MAX_ADDRESSES 16 /* per address family */

struct bmc_addr6 {
    __u32 word[4]; /* network byte order */
};

/* Addresses and ports are in network byte order. */
struct bmc_served {
    __u32 port_count;
    __u32 addr4_count;
    __u32 addr6_count;
    __u32 reserved;
    __u16 port[BMC_MAX_PORTS];
    __u32 addr4[BMC_MAX_ADDRESSES];
    struct bmc_addr6 addr6[BMC_MAX_ADDRESSES];
};

BMC_STATIC_ASSERT(sizeof(struct bmc_served) == 16 + 2 * BMC_MAX_PORTS + 20 * BMC_MAX_ADDRESSES,
                  "no holes");

/*
 * Endpoints, the pairs of an address and a port, are numbered. `address` is the
 * place in addr4, or BMC_MAX_ADDRESSES plus that in addr6; `port` the place in port.
 */
#define BMC_MAX_ENDPOINTS (2 * BMC_MAX_ADDRESSES * BMC_MAX_PORTS)

BMC_INLINE __u32 bmc_endpoint(__u32 address, __u32 port)
{
    return address * BMC_MAX_PORTS + port;
}

#endif
