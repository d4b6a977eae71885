/* SPDX-License-Identifier: BSD-3-Clause */
#include "memcached.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "bmc/abi/layout.h"
#include "bmc/protocol/hash.h"
#include "bmc_origin.h"

_Static_assert(sizeof(client_flags_t) == sizeof(__u32), "content hashes take 32 bits of flags");

bool bmc_origin_active;

static struct bmc_control *control;
static __u64 *clocks;
static struct bmc_grant *grants;
static __u64 seed[2]; /* copies of what the loader wrote once */
static __u64 clock_count;
static __u64 grant_count;
static int64_t monotonic_start;

/*
 * Orders everyone who moves the generation: starts and ends of memcached,
 * flush_all in any worker, and the clock handler. While `serving` is false the
 * generation stays odd. No other lock is taken inside.
 */
static pthread_mutex_t generation_lock = PTHREAD_MUTEX_INITIALIZER;
static bool serving;

static void fail(const char *what, const char *object, int error, const char *advice)
{
    fprintf(stderr, "bmc=%s: %s: %s; %s\n", object, what, strerror(error), advice);
    exit(EX_CONFIG);
}

static void refuse(const char *object, const char *what, const char *advice)
{
    fprintf(stderr, "bmc=%s: %s; %s\n", object, what, advice);
    exit(EX_CONFIG);
}

static int sys_bpf(enum bpf_cmd command, union bpf_attr *attr)
{
    return (int)syscall(__NR_bpf, command, attr, sizeof(*attr));
}

/* Maps the array pinned at folder/name; *count is its number of elements. */
static void *map_array(const char *folder, const char *name, __u32 value_size, __u64 *count)
{
    char path[PATH_MAX];
    union bpf_attr attr;
    struct bpf_map_info info;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    memset(&attr, 0, sizeof(attr));
    attr.pathname = (__u64)(uintptr_t)path;

    int fd = sys_bpf(BPF_OBJ_GET, &attr);

    if (fd < 0)
        fail("cannot open the pinned map", path, errno,
             errno == ENOENT ? "attach a bmc of this version first"
                             : "start memcached as root, with -u for the user to become");

    memset(&info, 0, sizeof(info));
    memset(&attr, 0, sizeof(attr));
    attr.info.bpf_fd = (__u32)fd;
    attr.info.info_len = sizeof(info);
    attr.info.info = (__u64)(uintptr_t)&info;
    if (sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) != 0)
        fail("cannot read the type of the map", path, errno, "is it a BPF map of a bmc?");
    if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != value_size ||
        !(info.map_flags & BPF_F_MMAPABLE))
        refuse(path, "not a mappable array of the expected element size",
               "attach a bmc of this version first");

    void *data = mmap(NULL, (size_t)value_size * info.max_entries, PROT_READ | PROT_WRITE,
                      MAP_SHARED, fd, 0);

    if (data == MAP_FAILED)
        fail("cannot map the array", path, errno, "is there memory and address space for it?");
    close(fd); /* the mapping keeps the map */
    *count = info.max_entries;
    return data;
}

static bool power_of_two(__u64 n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static __u64 generation(void)
{
    return __atomic_load_n(&control->generation, __ATOMIC_SEQ_CST);
}

/* The generation is odd when it returns. Holds generation_lock. */
static void generation_to_odd(void)
{
    if (generation() % 2 == 0)
        __atomic_fetch_add(&control->generation, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* The generation is even when it returns, if it may be. Holds generation_lock. */
static void generation_to_even(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (serving && generation() % 2 != 0)
        __atomic_fetch_add(&control->generation, 1, __ATOMIC_SEQ_CST);
}

static __u64 monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
}

static void beat(void)
{
    __atomic_store_n(&control->heartbeat_ns, monotonic_ns(), __ATOMIC_SEQ_CST);
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

    if (offsets == NULL)
        return; /* a kernel without time namespaces */

    int fields = fscanf(offsets, "monotonic %lld %lld", &seconds, &nanoseconds);

    fclose(offsets);
    if (fields == 2 && (seconds != 0 || nanoseconds != 0))
        refuse(path, "this time namespace has a CLOCK_MONOTONIC of its own",
               "start memcached in the host's time namespace");
}

void bmc_origin_open(const char *path)
{
    refuse_time_namespace(path);

    /* Stays open: the lock lives as long as the process and its children. */
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    __u64 count = 0;

    if (folder < 0)
        fail("cannot open the folder", path, errno,
             errno == ENOENT ? "attach a bmc first" : "start memcached as root, with -u");
    if (flock(folder, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            refuse(path, "another memcached is the origin of this instance",
                   "end it first, or attach a second instance");
        fail("cannot lock the folder", path, errno, "is it a folder of a BPF file system?");
    }

    control = map_array(path, BMC_PIN_CONTROL, sizeof(*control), &count);
    if (count != 1 || control->magic != BMC_MAGIC)
        refuse(path, "the control map is not one of bmc", "attach a bmc of this version first");
    if (control->layout_version != BMC_LAYOUT_VERSION) {
        fprintf(stderr,
                "bmc=%s: layout version %u, this memcached-sr has %u; use both of one version\n",
                path, control->layout_version, BMC_LAYOUT_VERSION);
        exit(EX_CONFIG);
    }
    if (control->udp_port != 0 && control->udp_port != settings.udpport) {
        fprintf(stderr, "bmc=%s: bmc serves UDP port %u, this memcached has %d; give -U %u\n", path,
                control->udp_port, settings.udpport, control->udp_port);
        exit(EX_CONFIG);
    }
    clock_count = control->clock_count;
    grant_count = control->grant_count;
    seed[0] = control->seed[0];
    seed[1] = control->seed[1];

    clocks = map_array(path, BMC_PIN_CLOCKS, sizeof(*clocks), &count);
    if (count != clock_count || !power_of_two(count))
        refuse(path, "the map clocks has another size than the control map says",
               "detach and attach bmc again");
    grants = map_array(path, BMC_PIN_GRANTS, sizeof(*grants), &count);
    if (count != grant_count || !power_of_two(count))
        refuse(path, "the map grants has another size than the control map says",
               "detach and attach bmc again");

    /*
     * What an earlier origin left is void from here on. It may have died at any
     * point, so the generation may be of either parity; it only grows.
     */
    generation_to_odd();
    __atomic_store_n(&control->heartbeat_ns, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&control->origin_pid, 0, __ATOMIC_SEQ_CST);
    bmc_origin_active = true;
}

void bmc_origin_ready(bool monotonic, int64_t start)
{
    if (!bmc_origin_active)
        return;
    if (!monotonic) {
        fprintf(stderr, "bmc needs CLOCK_MONOTONIC, which this machine does not have\n");
        exit(EX_OSERR);
    }
    pthread_mutex_lock(&generation_lock);
    monotonic_start = start;
    serving = true;
    __atomic_store_n(&control->origin_pid, (__u32)getpid(), __ATOMIC_SEQ_CST);
    beat();
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
    __atomic_store_n(&control->heartbeat_ns, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&control->origin_pid, 0, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&generation_lock);
}

void bmc_origin_tick(const char *key, size_t nkey)
{
    __u64 hash = bmc_key_hash(seed, key, (__u32)nkey);

    __atomic_fetch_add(&clocks[bmc_clock_index(hash, clock_count)], 1, __ATOMIC_SEQ_CST);
    /* The tick must be seen before anything that the item lock later gives free. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static size_t decimal_digits(__u64 n)
{
    size_t digits = 1;

    for (; n >= 10; n /= 10)
        digits++;
    return digits;
}

/* True if "VALUE <key> <flags> <bytes>\r\n<value>\r\nEND\r\n" fits one datagram. */
static bool fits_datagram(size_t nkey, __u32 flags, size_t nbytes)
{
    size_t line = strlen("VALUE ") + nkey + 1 + decimal_digits(flags) + 1 +
                  decimal_digits(nbytes - 2) + strlen("\r\n");

    return line + nbytes + strlen("END\r\n") <= UDP_DATA_SIZE;
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

static __u64 content_hash(item *it)
{
    client_flags_t flags = 0;

    FLAGS_CONV(it, flags);
    return bmc_content_hash(seed, flags, ITEM_data(it), (__u32)it->nbytes - 2);
}

/* False for items whose reply cannot be filled from one datagram. */
static bool grantable(item *it)
{
    client_flags_t flags = 0;

    if (it->it_flags & (ITEM_CHUNKED | ITEM_HDR))
        return false;
    FLAGS_CONV(it, flags);
    return fits_datagram(it->nkey, flags, (size_t)it->nbytes);
}

/*
 * Publishes what a get of the key just found, it or nothing. Holds the key's
 * item lock since before the lookup; `generation_before` was read before it.
 *
 * Only holders of this lock tick for this key, so the clock read here is the
 * version of what was found. (XDP ticks for writes under way, and other keys
 * share the clock: that makes the grant stale early, never wrong.)
 *
 * Relaxed stores: another worker may write the same grant for another key at
 * the same time, and readers copy it without a lock. The check word tells a
 * mixture of two grants from either.
 */
static void publish(const char *key, size_t nkey, item *it, __u64 generation_before)
{
    if (generation_before % 2 != 0 || (it != NULL && !grantable(it)))
        return;

    __u64 hash = bmc_key_hash(seed, key, (__u32)nkey);
    struct bmc_grant *grant = &grants[bmc_grant_index(hash, grant_count)];
    struct bmc_grant new = {
        .key_hash = hash,
        .version = __atomic_load_n(&clocks[bmc_clock_index(hash, clock_count)], __ATOMIC_SEQ_CST),
        .generation = generation_before,
        .deadline_ns = it == NULL ? BMC_NO_DEADLINE : deadline_ns(it->exptime),
        .cas = it == NULL ? 0 : ITEM_get_cas(it),
        .content = it == NULL ? BMC_CONTENT_ABSENT : content_hash(it),
    };

    /*
     * A flush_all or its delayed start during the lookup has moved the
     * generation: whether the item was found before or after it is not known.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (generation() != generation_before)
        return;

    new.check = bmc_grant_check(&new);
    __atomic_store_n(&grant->key_hash, new.key_hash, __ATOMIC_RELAXED);
    __atomic_store_n(&grant->version, new.version, __ATOMIC_RELAXED);
    __atomic_store_n(&grant->generation, new.generation, __ATOMIC_RELAXED);
    __atomic_store_n(&grant->deadline_ns, new.deadline_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&grant->cas, new.cas, __ATOMIC_RELAXED);
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
    publish(key, nkey, it, generation_before);
    item_unlock(hv);
    return it;
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
    if (serving)
        beat();
    pthread_mutex_unlock(&generation_lock);
}
