/* SPDX-License-Identifier: BSD-3-Clause */
#include "memcached.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bmc/protocol/hash.h"
#include "bmc/protocol/udp_frame.h"
#include "bmc_maps.h"
#include "bmc_origin.h"

_Static_assert(sizeof(client_flags_t) == sizeof(__u32), "content hashes take 32 bits of flags");
_Static_assert((BMC_TEXTS_BITS & (2 * ITEM_KEY_BINARY - 1)) == 0, "bits that memcached uses");

/*
 * How many stores in a row leave their value for bmc if nobody asks for it. With one
 * store for four gets in any order, one in 3000 stores is the sixth without a get.
 */
#define TEXTS_MAX 5

bool bmc_origin_active;

static struct bmc_maps maps;
static int64_t monotonic_start;

/*
 * Orders everyone who moves the generation: starts and ends of memcached,
 * flush_all in any worker, and the clock handler. While `serving` is false the
 * generation stays odd. No other lock is taken inside.
 */
static pthread_mutex_t generation_lock = PTHREAD_MUTEX_INITIALIZER;
static bool serving;

static __u64 generation(void)
{
    return __atomic_load_n(&maps.control->generation, __ATOMIC_SEQ_CST);
}

/* The generation is odd when it returns. Holds generation_lock. */
static void generation_to_odd(void)
{
    if (generation() % 2 == 0)
        __atomic_fetch_add(&maps.control->generation, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* The generation is even when it returns, if it may be. Holds generation_lock. */
static void generation_to_even(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (serving && generation() % 2 != 0)
        __atomic_fetch_add(&maps.control->generation, 1, __ATOMIC_SEQ_CST);
}

/*
 * In a time namespace CLOCK_MONOTONIC may run ahead of or behind the clock that
 * the kernel programs read, and deadlines with it.
 */
static void refuse_time_namespace(const char *path)
{
    FILE *offsets = fopen("/proc/self/timens_offsets", "re");
    long long seconds = 0;
    long long nanoseconds = 0;

    if (offsets == NULL && access("/proc/self/stat", F_OK) == 0)
        return; /* a kernel without time namespaces */

    int fields =
        offsets == NULL ? 0 : fscanf(offsets, "monotonic %lld %lld", &seconds, &nanoseconds);

    if (offsets != NULL)
        fclose(offsets);
    if (fields != 2)
        bmc_refuse(path, "cannot read /proc/self/timens_offsets, which tells whose clock this is",
                   "mount /proc");
    if (seconds != 0 || nanoseconds != 0)
        bmc_refuse(path, "this time namespace has a CLOCK_MONOTONIC of its own",
                   "start memcached in the host's time namespace");
}

void bmc_origin_open(const char *path)
{
    refuse_time_namespace(path);
    bmc_maps_open(path, &maps);

    /*
     * What an earlier origin left is void from here on. It may have died at any
     * point, so the generation may be of either parity; it only grows. No socket is
     * shown to bmc before that.
     */
    generation_to_odd();
    bmc_maps_remove_sockets(&maps);
    __atomic_store_n(&maps.control->origin_pid, 0, __ATOMIC_SEQ_CST);
    bmc_origin_active = true;
}

void bmc_origin_socket(int fd)
{
    if (bmc_origin_active)
        bmc_maps_put_socket(&maps, fd);
}

void bmc_origin_ready(bool monotonic, int64_t start)
{
    if (!bmc_origin_active)
        return;
    if (!monotonic) {
        fprintf(stderr, "bmc needs CLOCK_MONOTONIC, which this machine does not have\n");
        exit(EX_OSERR);
    }
    bmc_maps_check_sockets(&maps);
    pthread_mutex_lock(&generation_lock);
    monotonic_start = start;
    serving = true;
    __atomic_store_n(&maps.control->origin_pid, (__u32)getpid(), __ATOMIC_SEQ_CST);
    generation_to_even();
    pthread_mutex_unlock(&generation_lock);
}

void bmc_origin_close(void)
{
    if (!bmc_origin_active)
        return;
    /* Workers may still run: a flush_all of theirs must not make it even again. */
    pthread_mutex_lock(&generation_lock);
    serving = false;
    generation_to_odd();
    bmc_maps_remove_sockets(&maps);
    __atomic_store_n(&maps.control->origin_pid, 0, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&generation_lock);
}

static __u64 key_hash(const char *key, size_t nkey)
{
    /*
     * A SET asks twice, and the LRU maintainer again and again for the item that
     * ends a list: comparing a key costs less than hashing it.
     */
    static _Thread_local struct {
        size_t nkey;
        __u64 hash;
        char key[KEY_MAX_LENGTH];
    } last = {.nkey = SIZE_MAX};

    if (nkey > sizeof(last.key))
        return bmc_key_hash(maps.seed, key, (__u32)nkey);
    if (nkey != last.nkey || memcmp(key, last.key, nkey) != 0) {
        last.nkey = nkey;
        last.hash = bmc_key_hash(maps.seed, key, (__u32)nkey);
        memcpy(last.key, key, nkey);
    }
    return last.hash;
}

static __u64 *clock_of(__u64 hash)
{
    return &maps.clocks[bmc_clock_index(hash, maps.clock_count)];
}

void bmc_origin_tick(const char *key, size_t nkey)
{
    __atomic_fetch_add(clock_of(key_hash(key, nkey)), BMC_CLOCK_TICK, __ATOMIC_SEQ_CST);
    /*
     * The tick must be seen before anything that the item lock later gives free.
     * x86's locked instructions see to that themselves.
     */
#ifndef __x86_64__
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

void bmc_origin_expect_tick(const char *key, size_t nkey)
{
    __builtin_prefetch(clock_of(key_hash(key, nkey)), 1);
}

static void set_texts(item *it, unsigned texts)
{
    it->it_flags = (uint16_t)((it->it_flags & ~BMC_TEXTS_BITS) | (texts << BMC_TEXTS_SHIFT));
}

bool bmc_origin_take_visit(item *it)
{
    __u64 *clock = clock_of(key_hash(ITEM_key(it), it->nkey));

    if (!(__atomic_load_n(clock, __ATOMIC_RELAXED) & BMC_CLOCK_VISITED))
        return false;
    __atomic_fetch_and(clock, ~BMC_CLOCK_VISITED, __ATOMIC_RELAXED);
    set_texts(it, TEXTS_MAX);
    return true;
}

static size_t decimal_digits(__u64 n)
{
    size_t digits = 1;

    for (; n >= 10; n /= 10)
        digits++;
    return digits;
}

static __u32 flags_of(item *it)
{
    client_flags_t flags = 0;

    FLAGS_CONV(it, flags);
    return flags;
}

/* Length of the value, without its CR LF. */
static __u32 length_of(const item *it)
{
    return (__u32)it->nbytes - 2;
}

/* What a get says of the item: "VALUE <key> <flags> <bytes>" CR LF <value> CR LF. */
static size_t text_length(item *it)
{
    return strlen("VALUE ") + it->nkey + strlen(" ") + decimal_digits(flags_of(it)) + strlen(" ") +
           decimal_digits(length_of(it)) + strlen("\r\n") + (size_t)it->nbytes;
}

/* Writes that text, in memcached's own way. */
static void put_text(item *it, char *p)
{
    p = mempcpy(p, "VALUE ", strlen("VALUE "));
    p = mempcpy(p, ITEM_key(it), it->nkey);
    *p++ = ' ';
    p = itoa_u32(flags_of(it), p);
    *p++ = ' ';
    p = itoa_u32(length_of(it), p);
    *p++ = '\r';
    *p++ = '\n';
    memcpy(p, ITEM_data(it), (size_t)it->nbytes);
}

/*
 * When the item's exptime comes, on CLOCK_MONOTONIC in nanoseconds, less a
 * millisecond.
 *
 * The clock handler computes current_time as the whole seconds of
 * CLOCK_MONOTONIC minus monotonic_start, so that memcached cannot see
 * exptime <= current_time before CLOCK_MONOTONIC reads monotonic_start +
 * exptime seconds. bpf_ktime_get_ns() reads the same clock: a hit before the
 * deadline is a hit before memcached first denies the item.
 */
static __u64 deadline_ns(rel_time_t exptime)
{
    if (exptime == 0)
        return BMC_NO_DEADLINE;

    int64_t seconds = monotonic_start + (int64_t)exptime;

    return seconds <= 0 ? 0 : (__u64)seconds * 1000000000ULL - 1000000ULL;
}

/*
 * The item's exptime, or when a delayed flush_all comes into force if that is
 * sooner: the generation moves then too, but only when the clock handler runs.
 */
static rel_time_t end_of(const item *it)
{
    rel_time_t flush = settings.oldest_live;

    if (flush > current_time && (it->exptime == 0 || flush < it->exptime))
        return flush;
    return it->exptime;
}

static __u64 content_hash(item *it)
{
    return bmc_content_hash(maps.seed, flags_of(it), ITEM_data(it), length_of(it));
}

/* Whether the item's text has at most `most` bytes, and its value lies in one piece. */
static bool fits(item *it, size_t most)
{
    return (it->it_flags & (ITEM_CHUNKED | ITEM_HDR)) == 0 && (size_t)it->nbytes <= most &&
           text_length(it) <= most;
}

/*
 * Publishes what a get of the key finds, `it` or nothing; with its text, if so said.
 * Holds the key's item lock since before that was found out; `generation_before` was
 * read before it.
 *
 * Only holders of this lock tick for this key, so the clock read here is the
 * version of what was found. (XDP ticks for writes under way, and other keys
 * share the clock: that makes the grant stale early, never wrong.)
 *
 * Relaxed stores, and a text that is simply copied: another worker may write the same
 * grant for another key at the same time, and readers copy it without a lock. The
 * check word tells a mixture of two grants from either; `content` tells whether a
 * text, of whatever origin, says what the grant does. The check word comes last, so
 * that a reader who finds it finds the text too, unless it is being replaced.
 */
static void publish(const char *key, size_t nkey, item *it, __u64 generation_before, bool with_text)
{
    __u64 hash = key_hash(key, nkey);
    struct bmc_grant_slot *slot = &maps.grants[bmc_grant_index(hash, maps.grant_count)];
    struct bmc_grant *grant = &slot->grant;
    struct bmc_grant new = {
        .key_hash = hash,
        .version = bmc_clock_version(__atomic_load_n(clock_of(hash), __ATOMIC_SEQ_CST)),
        .generation = generation_before,
        .deadline_ns = it == NULL ? BMC_NO_DEADLINE : deadline_ns(end_of(it)),
        .content = it == NULL ? BMC_CONTENT_ABSENT : content_hash(it),
        .text_length = with_text ? (__u32)text_length(it) : 0,
    };

    /*
     * A flush_all or its delayed start meanwhile has moved the generation: whether it
     * was found before or after it is not known.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (generation_before % 2 != 0 || generation() != generation_before)
        return;

    new.check = bmc_grant_check(&new);
    if (with_text)
        put_text(it, (char *)slot->text);
    __atomic_store_n(&grant->text_length, new.text_length, __ATOMIC_RELAXED);
    __atomic_store_n(&grant->key_hash, new.key_hash, __ATOMIC_RELAXED);
    __atomic_store_n(&grant->version, new.version, __ATOMIC_RELAXED);
    __atomic_store_n(&grant->generation, new.generation, __ATOMIC_RELAXED);
    __atomic_store_n(&grant->deadline_ns, new.deadline_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&grant->content, new.content, __ATOMIC_RELAXED);
    __atomic_store_n(&grant->check, new.check, __ATOMIC_RELEASE);
}

item *bmc_limited_get(const char *key, size_t nkey, LIBEVENT_THREAD *t, bool *overflow)
{
    uint32_t hv;
    __u64 generation_before = generation();
    item *it = limited_get_locked(key, nkey, t, DO_UPDATE, &hv, overflow);

    if (*overflow)
        return NULL; /* answered as a miss, but it is none; the lock is gone */
    if (it != NULL)
        set_texts(it, TEXTS_MAX); /* bmc was asked, or it would not come over UDP */
    if (it == NULL || fits(it, BMC_REPLY_TEXT_MAX))
        publish(key, nkey, it, generation_before, false);
    item_unlock(hv);
    return it;
}

/* Whether a get would find a linked item, as do_item_get() decides it. */
static bool is_visible(item *it)
{
    return !item_is_flushed(it) && (it->exptime == 0 || it->exptime > current_time);
}

void bmc_origin_stored(item *it)
{
    (void)bmc_origin_take_visit(it);

    unsigned texts = (unsigned)(it->it_flags & BMC_TEXTS_BITS) >> BMC_TEXTS_SHIFT;

    /* Nothing is touched for a key that nobody asks for: its grant is far away. */
    if (texts == 0)
        return;
    set_texts(it, texts - 1);

    __u64 generation_before = generation();

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (is_visible(it) && fits(it, BMC_GRANT_TEXT_MAX))
        publish(ITEM_key(it), it->nkey, it, generation_before, true);
}

void bmc_set_oldest_live(rel_time_t oldest_live)
{
    if (!bmc_origin_active) {
        settings.oldest_live = oldest_live;
        return;
    }
    pthread_mutex_lock(&generation_lock);
    generation_to_odd();
    settings.oldest_live = oldest_live;
    generation_to_even();
    pthread_mutex_unlock(&generation_lock);
}

void bmc_set_current_time(rel_time_t now)
{
    if (!bmc_origin_active) {
        current_time = now;
        return;
    }
    pthread_mutex_lock(&generation_lock);

    /* The two halves of item_is_flushed(): does it come into force now? */
    bool flush_begins = settings.oldest_live > current_time && settings.oldest_live <= now;

    if (flush_begins)
        generation_to_odd();
    current_time = now;
    if (flush_begins)
        generation_to_even();
    pthread_mutex_unlock(&generation_lock);
}
