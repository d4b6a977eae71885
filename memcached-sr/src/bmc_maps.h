/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BMC_MAPS_H
#define BMC_MAPS_H

/* The maps of a bmc instance, opened and checked. Layout: bmc/abi/layout.h. */

#include "bmc/abi/layout.h"

struct bmc_maps {
    const char *path; /* the instance's folder */
    struct bmc_control *control;
    __u64 *clocks;
    struct bmc_grant_slot *grants;
    __u64 clock_count; /* this and the next two are copies of what the loader wrote once */
    __u64 grant_count;
    __u64 seed[2];
    int sockets; /* descriptor of the map of sockets */
};

/*
 * Locks the folder (an exclusive flock, held until the process and its children
 * end) and maps what is pinned in it. `path` must live as long as *maps. Exits
 * with one line on stderr if anything is not as it must be.
 */
void bmc_maps_open(const char *path, struct bmc_maps *maps);

/*
 * Puts a UDP socket in the place of every endpoint of the instance that it
 * receives for: those with its own address first, before those of a wildcard.
 * Needs no privilege. Exits if the socket is in another network namespace than
 * the instance.
 */
void bmc_maps_put_socket(const struct bmc_maps *maps, int fd);

/* Takes all sockets out: of this process, and any that an earlier one gave away. */
void bmc_maps_remove_sockets(const struct bmc_maps *maps);

/*
 * Says on stderr for which endpoints no socket was put, as the kernel answers
 * nothing there. Exits if there is none for any.
 */
void bmc_maps_check_sockets(const struct bmc_maps *maps);

/* Ends with "bmc=OBJECT: WHAT; ADVICE" on stderr. */
__attribute__((noreturn)) void bmc_refuse(const char *object, const char *what, const char *advice);

#endif
