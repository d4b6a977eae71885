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

/*
 * Three bits of it_flags that memcached does not use: how many stores of the item's
 * key in a row shall leave their value for bmc although nobody asks for it in between.
 */
#define BMC_TEXTS_SHIFT 13
#define BMC_TEXTS_BITS  (7 << BMC_TEXTS_SHIFT)

/* Out of line part of bmc_take_visit(). */
bool bmc_origin_take_visit(item *it);

/*
 * Whether the kernel has answered a get of the item's key, or of one that shares its
 * clock, since the last call. The item remembers it for the next store, so its lock
 * must be held.
 */
static inline bool bmc_take_visit(item *it)
{
    return bmc_origin_active && bmc_origin_take_visit(it);
}

/*
 * limited_get() for a classic get that came over UDP: looks the item up and
 * publishes the grant for it in one critical section of the item lock.
 */
item *bmc_limited_get(const char *key, size_t nkey, LIBEVENT_THREAD *t, bool *overflow);

/* Passes on what an item remembers to the one that replaces it, under their lock. */
static inline void bmc_inherit_texts(const item *old_it, item *new_it)
{
    new_it->it_flags |= old_it->it_flags & BMC_TEXTS_BITS;
}

/* Out of line part of bmc_stored(). */
void bmc_origin_stored(item *it);

/*
 * Leaves the value for bmc in the grant of its key, if the kernel was lately asked
 * for the key. To be called with the item lock held, after the item was linked.
 * What a get returns does not change any more under this item lock, or bmc_tick()
 * is called again.
 */
static inline void bmc_stored(item *it)
{
    if (bmc_origin_active)
        bmc_origin_stored(it);
}

/* Sets settings.oldest_live, which may change the outcome of every get. */
void bmc_set_oldest_live(rel_time_t oldest_live);

/*
 * Sets current_time, which may bring a delayed flush_all into force. Only the
 * clock handler calls it.
 */
void bmc_set_current_time(rel_time_t now);

#endif
