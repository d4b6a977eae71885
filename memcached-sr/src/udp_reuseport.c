/* SPDX-License-Identifier: BSD-3-Clause */
#include "memcached.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "sr_options.h"
#include "udp_reuseport.h"

static void fail(const char *operation, const struct sockaddr *address, socklen_t length)
{
    char host[NI_MAXHOST] = "?";
    char port[NI_MAXSERV] = "?";
    int error = errno;

    (void)getnameinfo(address, length, host, sizeof(host), port, sizeof(port),
                      NI_NUMERICHOST | NI_NUMERICSERV);
    if (error == EADDRINUSE)
        fprintf(stderr,
                "udp_reuseport: UDP port %s of %s is in use; end its owner or choose another "
                "port with -U\n",
                port, host);
    else
        fprintf(stderr, "udp_reuseport: %s for UDP port %s of %s: %s\n", operation, port, host,
                strerror(error));
    exit(EX_OSERR);
}

/*
 * Sends a packet to the socket of the worker pinned to the CPU that handles it.
 * A result past the last socket makes the kernel choose by hash. Classic BPF:
 * it needs no privilege, and the sockets are opened after they are dropped.
 */
static int steer_by_cpu(int fd, int count)
{
    struct sock_filter *code = calloc(2 * (size_t)count + 2, sizeof(*code));
    int length = 0;

    if (code == NULL)
        return -1;
    code[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (__u32)(SKF_AD_OFF + SKF_AD_CPU));
    for (int i = 0; i < count; i++) {
        code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                      (__u32)sr_options.worker_cpus[i], 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (__u32)i);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (__u32)count);

    struct sock_fprog program = {.len = (unsigned short)length, .filter = code};
    int result = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));

    free(code);
    return result;
}

bool udp_reuseport_open(const struct addrinfo *ai, int *fds, int count)
{
    static const int on = 1;
    static const int send_buffer = MAX_SENDBUF_SIZE; /* the kernel lowers it to wmem_max */
    struct sockaddr_storage address;
    socklen_t length = ai->ai_addrlen;
    const struct sockaddr *bound = (const struct sockaddr *)&address;

    memcpy(&address, ai->ai_addr, length);
    for (int i = 0; i < count; i++) {
        int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK, ai->ai_protocol);

        if (fd < 0) {
            if (errno == EAFNOSUPPORT && i == 0)
                return false;
            fail("socket", bound, length);
        }
        if (ai->ai_family == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
            fail("IPV6_V6ONLY", bound, length);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));

        /*
         * The first socket is bound without SO_REUSEPORT, which fails if any
         * other process has the port; only then is the port opened for the
         * others. A second memcached-sr of the same user thus never joins.
         */
        if (i > 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
            fail("SO_REUSEPORT", bound, length);
        if (bind(fd, bound, length) != 0)
            fail("bind", bound, length);
        if (i == 0) {
            length = sizeof(address); /* a port of 0 has become a real one */
            if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
                fail("getsockname", bound, length);
            if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
                fail("SO_REUSEPORT", bound, length);
        }
        fds[i] = fd;
    }
    if (count > 1 && sr_options.worker_cpu_count != 0 && steer_by_cpu(fds[0], count) != 0)
        fail("SO_ATTACH_REUSEPORT_CBPF", bound, length);
    return true;
}
