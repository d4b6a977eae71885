/* SPDX-License-Identifier: BSD-3-Clause */
#include "memcached.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "bmc_maps.h"

/* "[address]:port" of the longest address. */
#define ENDPOINT_TEXT (INET6_ADDRSTRLEN + 8)

static bool has_socket[BMC_MAX_ENDPOINTS];

static void fail(const char *what, const char *object, int error, const char *advice)
{
    fprintf(stderr, "bmc=%s: %s: %s; %s\n", object, what, strerror(error), advice);
    exit(EX_CONFIG);
}

void bmc_refuse(const char *object, const char *what, const char *advice)
{
    fprintf(stderr, "bmc=%s: %s; %s\n", object, what, advice);
    exit(EX_CONFIG);
}

static int sys_bpf(enum bpf_cmd command, union bpf_attr *attr)
{
    return (int)syscall(__NR_bpf, command, attr, sizeof(*attr));
}

/* Opens the map pinned at `path` and reads its type and sizes. */
static int open_map(const char *path, struct bpf_map_info *info)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.pathname = (__u64)(uintptr_t)path;

    int fd = sys_bpf(BPF_OBJ_GET, &attr);

    if (fd < 0)
        fail("cannot open the pinned map", path, errno,
             errno == ENOENT ? "attach a bmc of this version first"
                             : "start memcached as root, with -u for the user to become");

    memset(info, 0, sizeof(*info));
    memset(&attr, 0, sizeof(attr));
    attr.info.bpf_fd = (__u32)fd;
    attr.info.info_len = sizeof(*info);
    attr.info.info = (__u64)(uintptr_t)info;
    if (sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) != 0)
        fail("cannot read the type of the map", path, errno, "is it a BPF map of a bmc?");
    return fd;
}

/* Maps the array pinned at folder/name; *count is its number of elements. */
static void *map_array(const char *folder, const char *name, __u32 value_size, __u64 *count)
{
    char path[PATH_MAX];
    struct bpf_map_info info;

    snprintf(path, sizeof(path), "%s/%s", folder, name);

    int fd = open_map(path, &info);

    if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != value_size ||
        !(info.map_flags & BPF_F_MMAPABLE))
        bmc_refuse(path, "not a mappable array of the expected element size",
                   "attach a bmc of this version first");

    void *data = mmap(NULL, (size_t)value_size * info.max_entries, PROT_READ | PROT_WRITE,
                      MAP_SHARED, fd, 0);

    if (data == MAP_FAILED)
        fail("cannot map the array", path, errno, "is there memory and address space for it?");
    close(fd); /* the mapping keeps the map */
    *count = info.max_entries;
    return data;
}

static int open_sockets(const char *folder)
{
    char path[PATH_MAX];
    struct bpf_map_info info;

    snprintf(path, sizeof(path), "%s/%s", folder, BMC_PIN_SOCKETS);

    int fd = open_map(path, &info);

    if (info.type != BPF_MAP_TYPE_SOCKMAP || info.max_entries != BMC_MAX_ENDPOINTS)
        bmc_refuse(path, "not a map of sockets of the expected size",
                   "attach a bmc of this version first");
    return fd;
}

static bool power_of_two(__u64 n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/*
 * Takes the folder for this process and its children, or refuses if another has
 * it. The bmc command looks for an origin by a shared lock, which it holds for an
 * instant: where a shared lock can be had there is no origin, and it is waited for.
 */
static void lock_folder(int folder, const char *path)
{
    static const struct timespec instant = {.tv_nsec = 1000000};

    while (flock(folder, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK && flock(folder, LOCK_SH | LOCK_NB) == 0)
            nanosleep(&instant, NULL);
        else if (errno == EWOULDBLOCK)
            bmc_refuse(path, "another memcached is the origin of this instance",
                       "end it first, or attach a second instance");
        else
            fail("cannot lock the folder", path, errno, "is it a folder of a BPF file system?");
    }
}

void bmc_maps_open(const char *path, struct bmc_maps *maps)
{
    /* Stays open: the lock lives as long as the process and its children. */
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    __u64 count = 0;

    if (folder < 0)
        fail("cannot open the folder", path, errno,
             errno == ENOENT ? "attach a bmc first" : "start memcached as root, with -u");
    lock_folder(folder, path);

    maps->path = path;
    maps->control = map_array(path, BMC_PIN_CONTROL, sizeof(*maps->control), &count);

    const struct bmc_control *control = maps->control;

    if (count != 1 || control->magic != BMC_MAGIC)
        bmc_refuse(path, "the control map is not one of bmc", "attach a bmc of this version first");
    if (control->layout_version != BMC_LAYOUT_VERSION) {
        fprintf(stderr,
                "bmc=%s: layout version %u, this memcached-sr has %u; use both of one version\n",
                path, control->layout_version, BMC_LAYOUT_VERSION);
        exit(EX_CONFIG);
    }
    if (control->served.port_count > BMC_MAX_PORTS ||
        control->served.addr4_count > BMC_MAX_ADDRESSES ||
        control->served.addr6_count > BMC_MAX_ADDRESSES)
        bmc_refuse(path, "the control map makes no sense", "detach and attach bmc again");
    maps->clock_count = control->clock_count;
    maps->grant_count = control->grant_count;
    memcpy(maps->seed, control->seed, sizeof(maps->seed));

    maps->clocks = map_array(path, BMC_PIN_CLOCKS, sizeof(*maps->clocks), &count);
    if (count != maps->clock_count || !power_of_two(count))
        bmc_refuse(path, "the map clocks has another size than the control map says",
                   "detach and attach bmc again");
    maps->grants = map_array(path, BMC_PIN_GRANTS, sizeof(*maps->grants), &count);
    if (count != maps->grant_count || !power_of_two(count))
        bmc_refuse(path, "the map grants has another size than the control map says",
                   "detach and attach bmc again");
    maps->sockets = open_sockets(path);
}

static void put(const struct bmc_maps *maps, __u32 address, in_port_t port, int fd, bool wildcard)
{
    const struct bmc_served *served = &maps->control->served;

    for (__u32 i = 0; i < served->port_count; i++) {
        if (served->port[i] != port)
            continue;

        __u32 endpoint = bmc_endpoint(address, i);
        __u64 value = (__u64)fd;
        union bpf_attr attr;

        memset(&attr, 0, sizeof(attr));
        attr.map_fd = (__u32)maps->sockets;
        attr.key = (__u64)(uintptr_t)&endpoint;
        attr.value = (__u64)(uintptr_t)&value;
        attr.flags = wildcard ? BPF_NOEXIST : BPF_ANY;
        if (sys_bpf(BPF_MAP_UPDATE_ELEM, &attr) != 0 && !(wildcard && errno == EEXIST))
            fail("cannot enter a UDP socket", maps->path, errno,
                 "bmc needs Linux 5.19 or newer with CONFIG_NET_SOCK_MSG");
        has_socket[endpoint] = true;
    }
}

void bmc_maps_put_socket(const struct bmc_maps *maps, int fd)
{
    static const struct in6_addr any6 = IN6ADDR_ANY_INIT;
    const struct bmc_served *served = &maps->control->served;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } bound;
    socklen_t length = sizeof(bound);
    uint64_t cookie = 0;
    socklen_t cookie_length = sizeof(cookie);

    if (getsockname(fd, &bound.any, &length) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &cookie_length) != 0)
        fail("cannot examine a UDP socket", maps->path, errno, "bmc needs Linux 5.14 or newer");
    if (cookie != maps->control->netns_cookie)
        bmc_refuse(maps->path, "bmc is attached in another network namespace",
                   "start memcached there, or attach bmc here");

    if (bound.any.sa_family == AF_INET) {
        bool wildcard = bound.in.sin_addr.s_addr == htonl(INADDR_ANY);

        for (__u32 i = 0; i < served->addr4_count; i++)
            if (wildcard || served->addr4[i] == bound.in.sin_addr.s_addr)
                put(maps, i, bound.in.sin_port, fd, wildcard);
    } else if (bound.any.sa_family == AF_INET6) {
        bool wildcard = memcmp(&bound.in6.sin6_addr, &any6, sizeof(any6)) == 0;

        for (__u32 i = 0; i < served->addr6_count; i++)
            if (wildcard || memcmp(&served->addr6[i], &bound.in6.sin6_addr, sizeof(any6)) == 0)
                put(maps, BMC_MAX_ADDRESSES + i, bound.in6.sin6_port, fd, wildcard);
    }
}

void bmc_maps_remove_sockets(const struct bmc_maps *maps)
{
    for (__u32 endpoint = 0; endpoint < BMC_MAX_ENDPOINTS; endpoint++) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof(attr));
        attr.map_fd = (__u32)maps->sockets;
        attr.key = (__u64)(uintptr_t)&endpoint;
        (void)sys_bpf(BPF_MAP_DELETE_ELEM, &attr); /* most places are empty */
    }
}

/* Calls visit() for every endpoint of the instance; its text is valid until the next call. */
static void for_each_endpoint(const struct bmc_served *served,
                              void (*visit)(__u32 endpoint, const char *text))
{
    char address[INET6_ADDRSTRLEN];
    char text[ENDPOINT_TEXT];

    for (__u32 port = 0; port < served->port_count; port++) {
        for (__u32 i = 0; i < served->addr4_count; i++) {
            inet_ntop(AF_INET, &served->addr4[i], address, sizeof(address));
            snprintf(text, sizeof(text), "%s:%u", address, ntohs(served->port[port]));
            visit(bmc_endpoint(i, port), text);
        }
        for (__u32 i = 0; i < served->addr6_count; i++) {
            inet_ntop(AF_INET6, &served->addr6[i], address, sizeof(address));
            snprintf(text, sizeof(text), "[%s]:%u", address, ntohs(served->port[port]));
            visit(bmc_endpoint(BMC_MAX_ADDRESSES + i, port), text);
        }
    }
}

static int with_socket;
static int without_socket;

static void count_endpoint(__u32 endpoint, const char *text)
{
    (void)text;
    if (has_socket[endpoint])
        with_socket++;
    else
        without_socket++;
}

static void print_without_socket(__u32 endpoint, const char *text)
{
    if (!has_socket[endpoint])
        fprintf(stderr, " %s", text);
}

void bmc_maps_check_sockets(const struct bmc_maps *maps)
{
    const struct bmc_served *served = &maps->control->served;

    for_each_endpoint(served, count_endpoint);
    if (without_socket == 0)
        return;
    fprintf(stderr, "bmc=%s: this memcached has no UDP socket at", maps->path);
    for_each_endpoint(served, print_without_socket);
    if (with_socket != 0) {
        fprintf(stderr, ", so the kernel answers nothing there\n");
    } else {
        fprintf(stderr, ", where bmc is attached; give it with -l and -U\n");
        exit(EX_CONFIG);
    }
}
