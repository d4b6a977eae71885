/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UDP_REUSEPORT_H
#define UDP_REUSEPORT_H

/*
 * One UDP socket per worker on one address, so that the kernel spreads the
 * requests and no two workers wake for the same one.
 */

#include <netdb.h>
#include <stdbool.h>

/*
 * Opens `count` non-blocking UDP sockets bound to the address of ai and stores
 * them in fds; the caller owns them. With worker_cpus a packet goes to the
 * socket of the worker pinned to the CPU that received it, otherwise and from
 * other CPUs by the hash of its flow.
 *
 * Returns false if the machine does not have the address family. Every other
 * failure ends the process with a line on stderr: in particular a port that
 * another process uses, even with SO_REUSEPORT.
 */
bool udp_reuseport_open(const struct addrinfo *ai, int *fds, int count);

#endif
