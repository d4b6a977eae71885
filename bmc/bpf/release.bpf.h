/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_RELEASE_BPF_H
#define BMC_BPF_RELEASE_BPF_H

/*
 * Takes connections out of `connections` again. The kernel drops what waits for the
 * reader of a socket that leaves a sockmap (6.18, sk_psock_drop()), so one leaves only
 * when nothing waits. The iterator over TCP sockets runs under the socket's lock: nothing
 * comes in between the look and the removal. Whoever runs it does so until the map is
 * empty.
 */

#include "follow.bpf.h"

#define TCP_WINDOW_CLAMP 10 /* linux/tcp.h */

/* Flags in the low bits of sk_user_data (linux/include/net/sock.h, SK_USER_DATA_PTRMASK). */
#define USER_DATA_FLAGS 7UL

/* Whether nothing waits for the reader of a socket in a sockmap. */
static __always_inline int is_drained(const struct sock *sk)
{
    const struct sk_psock *psock =
        (const void *)((unsigned long)BPF_CORE_READ(sk, sk_user_data) & ~USER_DATA_FLAGS);

    if (!psock)
        return 1;
    /*
     * In this order: what is handed on later goes from the first queue to the second,
     * and leaves the first after it was put into the second.
     */
    if (BPF_CORE_READ(psock, ingress_skb.qlen))
        return 0;
    bmc_barrier();
    return (const void *)BPF_CORE_READ(psock, ingress_msg.next) ==
           (const void *)&psock->ingress_msg;
}

/*
 * Lets only so much more come, at least: a reader that is always behind, as one that is
 * busy to its limit is, would never have emptied its queue otherwise.
 */
#define WINDOW_MIN 1

static __always_inline void set_window(struct sock_common *common, int window)
{
    bpf_setsockopt(common, IPPROTO_TCP, TCP_WINDOW_CLAMP, &window, sizeof(window));
}

static __always_inline int do_release(struct bpf_iter__tcp *ctx)
{
    struct sock_common *common = ctx->sk_common;
    struct bmc_stream *s;
    struct tcp_sock *socket;
    __u64 cookie;

    if (!common)
        return 0;
    socket = bpf_skc_to_tcp_sock(common);
    if (!socket)
        return 0;
    cookie = bpf_get_socket_cookie(common);
    s = bpf_map_lookup_elem(&streams, &cookie);
    if (!s)
        return 0;
    if (!is_drained((const struct sock *)socket)) {
        if (!s->window)
            s->window = BPF_CORE_READ(socket, window_clamp);
        set_window(common, WINDOW_MIN);
        return 0;
    }
    bpf_map_delete_elem(&connections, &cookie);
    if (s->window)
        set_window(common, s->window);
    s->window = 0;
    return 0;
}

#endif
