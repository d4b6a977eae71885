/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BMC_ORIGIN_H
#define BMC_ORIGIN_H

/*
 * memcached as the origin of a bmc: clocks, grants and generation (terms in
 * bmc/README.md, layout in bmc/abi/layout.h). Everything here does nothing
 * until bmc_origin_open() has succeeded.
 */

/* memcached.h, which has no include guard, comes before this header. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True once the maps are there; never changes while threads run. */
extern bool bmc_origin_active;

/*
 * Takes the instance pinned at `path` (see bmc_maps_open()) and makes its
 * generation odd. Call it as root, before privileges are dropped. Exits with one
 * line on stderr if anything is not as it must be.
 */
void bmc_origin_open(const char *path);

/*
 * Tells the kernel programs that this bound UDP socket is the origin's: they
 * answer for an address and port only while the socket there is open. One of
 * each SO_REUSEPORT group will do.
 */
void bmc_origin_socket(int fd);

/*
 * Makes the generation even: grants are given from here on. `monotonic_start`
 * is the second of CLOCK_MONOTONIC at which current_time would be 0. Exits if
 * memcached does not run on CLOCK_MONOTONIC, as deadlines do, or has no socket
 * where bmc is attached.
 */
void bmc_origin_ready(bool monotonic, int64_t monotonic_start);

/* Makes the generation odd for good. */
void bmc_origin_close(void);

/* Out of line part of bmc_tick(). */
void bmc_origin_tick(const char *key, size_t nkey);

/*
 * To be called before whatever changes what a get of the key returns, with the
 * key's item lock held and before it is let go.
 */
static inline void bmc_tick(const char *key, size_t nkey)
{
    if (bmc_origin_active)
        bmc_origin_tick(key, nkey);
}

/* Out of line part of bmc_expect_tick(). */
void bmc_origin_expect_tick(const char *key, size_t nkey);

/*
 * Says that the key will probably be ticked soon. The clocks are many, so that a
 * tick waits for memory, longer than for all else that it does, unless the clock
 * is fetched while memcached waits for memory itself.
 */
static inline void bmc_expect_tick(const char *key, size_t nkey)
{
    if (bmc_origin_active)
        bmc_origin_expect_tick(key, nkey);
}

/* Out of line part of bmc_take_visit(). */
bool bmc_origin_take_visit(const char *key, size_t nkey);

/*
 * Whether the kernel has answered a get of the key, or of one that shares its
 * clock, since the last call.
 */
static inline bool bmc_take_visit(const char *key, size_t nkey)
{
    return bmc_origin_active && bmc_origin_take_visit(key, nkey);
}

/*
 * limited_get() for a classic get that came over UDP: looks the item up and
 * publishes the grant for it in one critical section of the item lock.
 */
item *bmc_limited_get(const char *key, size_t nkey, LIBEVENT_THREAD *t, bool *overflow);

/* Sets settings.oldest_live, which may change the outcome of every get. */
void bmc_set_oldest_live(rel_time_t oldest_live);

/*
 * Sets current_time, which may bring a delayed flush_all into force. Only the
 * clock handler calls it.
 */
void bmc_set_current_time(rel_time_t now);

#endif
