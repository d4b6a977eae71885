/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SR_OPTIONS_H
#define SR_OPTIONS_H

/*
 * The options that memcached-sr adds to memcached's -o, and the checks that
 * need all of the command line.
 */

#include <stdbool.h>

#define SR_MAX_WORKERS 1024 /* CPU_SETSIZE of the C library */

struct sr_options {
    bool udp_sequence;    /* one datagram sequence per UDP request */
    bool udp_reuseport;   /* one UDP socket per worker and address */
    int worker_cpu_count; /* entries of worker_cpus, 0 if not given */
    int worker_cpus[SR_MAX_WORKERS];
    char *bmc_path; /* pin folder, or NULL */
};

/* Written while the command line is parsed, read-only afterwards. */
extern struct sr_options sr_options;

enum sr_option_result { SR_OPTION_NOT_OURS, SR_OPTION_TAKEN, SR_OPTION_BAD };

/*
 * Consumes one of our suboptions at *subopts, with the comma behind it, as
 * getsubopt(3) does. (getsubopt itself would cut worker_cpus=0-3,6 in two.)
 * Says on stderr what is wrong with a bad one.
 */
enum sr_option_result sr_option(char **subopts);

/*
 * Checks our options against the rest of the command line; exits with a line on
 * stderr if they do not go together. `storage` says whether extstore is on.
 */
void sr_options_check(bool storage);

/* Our lines of `memcached -h`. */
void sr_options_usage(void);

/* Pins the calling thread, worker number `worker`, as worker_cpus says. */
void sr_pin_worker(int worker);

#endif
