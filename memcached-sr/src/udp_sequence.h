/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UDP_SEQUENCE_H
#define UDP_SEQUENCE_H

/*
 * UDP as one request, one reply: whatever commands a datagram holds, their
 * responses go back as one datagram sequence (the request's id, sequence 0 to
 * n-1, total n), or not at all. Nothing of a datagram is left over when the
 * next one is read.
 */

/* memcached.h, which has no include guard, comes before this header. */
#include "sr_options.h"

#define UDP_SEQUENCED(c) (IS_UDP((c)->transport) && sr_options.udp_sequence)

/*
 * Parses the next command of a datagram, for conn.try_read_command. Drops what
 * is not a whole command, since nothing can complete it.
 */
int udp_sequence_read_command(conn *c);

/*
 * For the states conn_nread and conn_swallow: true if the datagram ended before
 * the value that its command announced. The command has then been ended, with
 * an error where its protocol has one, and the state set.
 */
bool udp_sequence_truncated(conn *c);

/*
 * Sends the responses of the connection as one sequence. The caller releases
 * them whatever became of it: a datagram that the kernel does not take at once
 * is dropped with the rest of its sequence, and counted.
 */
void udp_sequence_send(conn *c);

/* Refuses commands that take the connection over, as none owns the socket. */
bool udp_sequence_refuses(conn *c);

/* Adds our line to the general statistics. */
void udp_sequence_stats(ADD_STAT add_stats, void *c);

#endif
