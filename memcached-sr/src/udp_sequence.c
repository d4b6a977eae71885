/* SPDX-License-Identifier: BSD-3-Clause */
#include "memcached.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "proto_bin.h"
#include "proto_text.h"
#include "udp_sequence.h"

/* Sequences of which at least one datagram was not sent. */
static uint64_t dropped;

int udp_sequence_read_command(conn *c)
{
    int result = 0;

    if ((unsigned char)c->rbuf[0] == (unsigned char)PROTOCOL_BINARY_REQ) {
        c->protocol = binary_prot;
        result = try_read_command_binary(c);
    } else {
        c->protocol = ascii_prot;
        if (memchr(c->rcurr, '\n', (size_t)c->rbytes) != NULL)
            result = try_read_command_ascii(c);
    }
    if (result == 0)
        c->rbytes = 0;
    return result;
}

bool udp_sequence_truncated(conn *c)
{
    if (!UDP_SEQUENCED(c))
        return false;
    if (c->state == conn_swallow) {
        /* The error is in place already; only the rest of the value goes. */
        if (c->rbytes < c->sbytes)
            c->sbytes = c->rbytes;
        return false;
    }
    if (c->rbytes >= c->rlbytes)
        return false;

    c->rbytes = 0;
    if (c->protocol == ascii_prot) {
        if (c->mset_res)
            c->noreply = false; /* as complete_nread_ascii() does */
        out_string(c, "CLIENT_ERROR bad data chunk");
    } else {
        c->resp->skip = true;
        conn_set_state(c, conn_new_cmd);
    }
    c->set_stale = false;
    c->mset_res = false;
    return true;
}

/* A place in the bytes of a chain of responses. */
struct cursor {
    mc_resp *resp;
    int iov;
    size_t offset;     /* in the iov */
    item_chunk *chunk; /* of the iov, if it stands for a chunked item */
    size_t chunk_offset;
};

/* Copies up to `room` bytes at the cursor and moves it on. */
static size_t copy_out(struct cursor *at, char *to, size_t room)
{
    size_t copied = 0;

    while (at->resp != NULL && copied < room) {
        if (at->resp->skip || at->iov == at->resp->iovcnt) {
            at->resp = at->resp->next;
            at->iov = 0;
            at->offset = 0;
            at->chunk = NULL;
            continue;
        }

        const struct iovec *iov = &at->resp->iov[at->iov];
        bool chunked = at->resp->chunked_data_iov != 0 && at->resp->chunked_data_iov == at->iov;
        size_t length = iov->iov_len - at->offset;
        const char *from = (const char *)iov->iov_base + at->offset;

        if (length == 0) {
            at->iov++;
            at->offset = 0;
            at->chunk = NULL;
            continue;
        }
        if (chunked) {
            if (at->chunk == NULL) {
                at->chunk = (item_chunk *)ITEM_schunk((item *)iov->iov_base);
                at->chunk_offset = 0;
            }
            while (at->chunk_offset == (size_t)at->chunk->used) {
                at->chunk = at->chunk->next;
                at->chunk_offset = 0;
            }
            from = at->chunk->data + at->chunk_offset;
            if (length > (size_t)at->chunk->used - at->chunk_offset)
                length = (size_t)at->chunk->used - at->chunk_offset;
        }
        if (length > room - copied)
            length = room - copied;
        memcpy(to + copied, from, length);
        copied += length;
        at->offset += length;
        if (chunked)
            at->chunk_offset += length;
    }
    return copied;
}

/* Bytes of all responses. */
static uint64_t total_bytes(const conn *c)
{
    uint64_t total = 0;

    for (const mc_resp *resp = c->resp_head; resp != NULL; resp = resp->next) {
        if (!resp->skip)
            total += (uint64_t)resp->tosend;
    }
    return total;
}

static void put16(unsigned char *to, uint64_t value)
{
    to[0] = (unsigned char)(value >> 8);
    to[1] = (unsigned char)value;
}

void udp_sequence_send(conn *c)
{
    unsigned char datagram[UDP_MAX_PAYLOAD_SIZE];
    uint64_t total = (total_bytes(c) + UDP_DATA_SIZE - 1) / UDP_DATA_SIZE;
    uint64_t sent = 0;

    if (total > USHRT_MAX) {
        /* The frame header cannot count them. */
        conn_release_items(c);
        total = 0;
        if (c->protocol == ascii_prot && resp_start(c)) {
            out_errstring(c, "SERVER_ERROR reply too large for UDP");
            conn_set_state(c, conn_mwrite);
            total = 1;
        }
    }

    struct cursor at = {.resp = c->resp_head};

    for (uint64_t sequence = 0; sequence < total; sequence++) {
        /* All responses come from one datagram, so one address serves. */
        put16(datagram, (uint64_t)c->resp_head->request_id);
        put16(datagram + 2, sequence);
        put16(datagram + 4, total);
        put16(datagram + 6, 0);

        size_t length =
            UDP_HEADER_SIZE + copy_out(&at, (char *)datagram + UDP_HEADER_SIZE, UDP_DATA_SIZE);
        ssize_t result = 0;

        do {
            result = sendto(c->sfd, datagram, length, 0,
                            (const struct sockaddr *)&c->resp_head->request_addr,
                            c->resp_head->request_addr_size);
        } while (result < 0 && errno == EINTR);
        if (result < 0) {
            __atomic_fetch_add(&dropped, 1, __ATOMIC_RELAXED);
            if (settings.verbose > 1)
                fprintf(stderr, ">%d UDP reply dropped at datagram %llu of %llu: %s\n", c->sfd,
                        (unsigned long long)sequence, (unsigned long long)total, strerror(errno));
            break;
        }
        sent += (uint64_t)result;
    }
    if (sent != 0) {
        pthread_mutex_lock(&c->thread->stats.mutex);
        c->thread->stats.bytes_written += sent;
        pthread_mutex_unlock(&c->thread->stats.mutex);
    }
}

bool udp_sequence_refuses(conn *c)
{
    if (!UDP_SEQUENCED(c))
        return false;
    out_string(c, "CLIENT_ERROR not available over UDP");
    return true;
}

void udp_sequence_stats(ADD_STAT add_stats, void *c)
{
    if (sr_options.udp_sequence)
        APPEND_STAT("udp_replies_dropped", "%llu",
                    (unsigned long long)__atomic_load_n(&dropped, __ATOMIC_RELAXED));
}
