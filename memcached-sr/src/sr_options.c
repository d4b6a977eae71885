/* SPDX-License-Identifier: BSD-3-Clause */
#include "memcached.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "sr_options.h"

struct sr_options sr_options;

#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_options(void);

/* memcached leaves it to its end to free most of its memory. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

/* True if the suboption at s is `name`, alone or with a value. */
static bool is_option(const char *s, const char *name)
{
    size_t length = strlen(name);

    return strncmp(s, name, length) == 0 &&
           (s[length] == '\0' || s[length] == ',' || s[length] == '=');
}

/*
 * Cuts the suboption at *subopts off and moves *subopts behind it. A comma
 * followed by a digit does not end a list of CPUs. Returns the value, or NULL.
 */
static char *take(char **subopts, bool cpu_list)
{
    char *start = *subopts;
    char *end = start;

    while (*end != '\0' && !(*end == ',' && !(cpu_list && isdigit((unsigned char)end[1]))))
        end++;
    *subopts = end;
    if (*end == ',') {
        *end = '\0';
        *subopts = end + 1;
    }

    char *value = strchr(start, '=');

    return value == NULL ? NULL : value + 1;
}

static bool add_cpu(long cpu, const char *list)
{
    for (int i = 0; i < sr_options.worker_cpu_count; i++) {
        if (sr_options.worker_cpus[i] == cpu) {
            fprintf(stderr, "worker_cpus=%s: CPU %ld is named twice\n", list, cpu);
            return false;
        }
    }
    sr_options.worker_cpus[sr_options.worker_cpu_count++] = (int)cpu;
    return true;
}

/* Reads a CPU number at *p and moves *p behind it; -1 if there is none. */
static long read_cpu(char **p)
{
    if (!isdigit((unsigned char)**p))
        return -1;

    errno = 0;
    long cpu = strtol(*p, p, 10);

    return errno == 0 && cpu < SR_MAX_WORKERS ? cpu : -1;
}

static bool parse_worker_cpus(char *list)
{
    if (sr_options.worker_cpu_count != 0) {
        fprintf(stderr, "worker_cpus is given twice\n");
        return false;
    }
    for (char *p = list;; p++) {
        long first = read_cpu(&p);
        long last = first;

        if (first >= 0 && *p == '-') {
            p++;
            last = read_cpu(&p);
        }
        if (first < 0 || last < first || (*p != ',' && *p != '\0')) {
            fprintf(stderr,
                    "worker_cpus=%s: not a list of CPUs below %d; write it like "
                    "worker_cpus=0-3,6\n",
                    list, SR_MAX_WORKERS);
            return false;
        }
        for (long cpu = first; cpu <= last; cpu++) {
            if (!add_cpu(cpu, list))
                return false;
        }
        if (*p == '\0')
            return true;
    }
}

enum sr_option_result sr_option(char **subopts)
{
    char *value = NULL;

    if (is_option(*subopts, "udp_sequence")) {
        if (take(subopts, false) != NULL) {
            fprintf(stderr, "udp_sequence takes no value\n");
            return SR_OPTION_BAD;
        }
        sr_options.udp_sequence = true;
    } else if (is_option(*subopts, "udp_reuseport")) {
        if (take(subopts, false) != NULL) {
            fprintf(stderr, "udp_reuseport takes no value; the CPUs go into worker_cpus=LIST\n");
            return SR_OPTION_BAD;
        }
        sr_options.udp_reuseport = true;
        sr_options.udp_sequence = true;
    } else if (is_option(*subopts, "worker_cpus")) {
        value = take(subopts, true);
        if (value == NULL) {
            fprintf(stderr, "worker_cpus needs a list of CPUs, like worker_cpus=0-3,6\n");
            return SR_OPTION_BAD;
        }
        if (!parse_worker_cpus(value))
            return SR_OPTION_BAD;
    } else if (is_option(*subopts, "bmc")) {
        value = take(subopts, false);
        if (value == NULL || *value == '\0') {
            fprintf(stderr, "bmc needs the pin folder of an attached bmc, like "
                            "bmc=/sys/fs/bpf/bmc/default\n");
            return SR_OPTION_BAD;
        }
        if (sr_options.bmc_path != NULL) {
            fprintf(stderr, "bmc is given twice; an origin serves one instance\n");
            return SR_OPTION_BAD;
        }
        sr_options.bmc_path = strdup(value);
        if (sr_options.bmc_path == NULL) {
            fprintf(stderr, "out of memory\n");
            return SR_OPTION_BAD;
        }
        sr_options.udp_sequence = true;
    } else {
        return SR_OPTION_NOT_OURS;
    }
    return SR_OPTION_TAKEN;
}

static void check_worker_cpus(void)
{
    cpu_set_t allowed;

    if (sr_options.worker_cpu_count == 0)
        return;
    if (sr_options.worker_cpu_count != settings.num_threads) {
        fprintf(stderr,
                "worker_cpus names %d CPUs for %d workers; name one per worker or set -t %d\n",
                sr_options.worker_cpu_count, settings.num_threads, sr_options.worker_cpu_count);
        exit(EX_USAGE);
    }
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
        fprintf(stderr, "worker_cpus: cannot read the CPUs of this process: %s\n", strerror(errno));
        exit(EX_OSERR);
    }
    for (int i = 0; i < sr_options.worker_cpu_count; i++) {
        if (!CPU_ISSET(sr_options.worker_cpus[i], &allowed)) {
            fprintf(stderr, "worker_cpus: CPU %d does not exist or is not open to this process\n",
                    sr_options.worker_cpus[i]);
            exit(EX_USAGE);
        }
    }
}

void sr_options_check(bool storage)
{
    bool udp = settings.udpport != 0 && settings.socketpath == NULL;

    if (sr_options.udp_reuseport && !udp) {
        fprintf(stderr, "udp_reuseport needs UDP; give it a port with -U\n");
        exit(EX_USAGE);
    }
    check_worker_cpus();

    if (sr_options.bmc_path == NULL)
        return;
    if (!udp) {
        fprintf(stderr, "bmc needs UDP; give it a port with -U\n");
        exit(EX_USAGE);
    }
    /* Both change or answer items without the item lock that orders bmc. */
    if (storage) {
        fprintf(stderr, "bmc cannot be used with extstore; leave ext_path out\n");
        exit(EX_USAGE);
    }
#ifdef PROXY
    if (settings.proxy_enabled) {
        fprintf(stderr, "bmc cannot be used with the proxy; leave proxy_config out\n");
        exit(EX_USAGE);
    }
#endif
#ifdef MEMCACHED_DEBUG
    /* The command debugtime moves this build's clock, which deadlines rest on. */
    fprintf(stderr, "bmc cannot be used with memcached-debug; start memcached\n");
    exit(EX_USAGE);
#endif
}

void sr_options_usage(void)
{
    printf("   - udp_sequence:        answer every UDP request by one datagram sequence\n"
           "   - udp_reuseport:       one UDP socket per worker; implies udp_sequence\n"
           "   - worker_cpus:         pin the workers to these CPUs, like 0-3,6; with\n"
           "                          udp_reuseport a packet goes to the worker of its CPU\n"
           "   - bmc:                 pin folder of the bmc that answers GETs in the kernel\n"
           "                          in front of this server; implies udp_sequence\n");
}

void sr_pin_worker(int worker)
{
    cpu_set_t set;

    if (sr_options.worker_cpu_count == 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(sr_options.worker_cpus[worker], &set);

    int error = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);

    if (error != 0) {
        fprintf(stderr, "worker_cpus: cannot pin worker %d to CPU %d: %s\n", worker,
                sr_options.worker_cpus[worker], strerror(error));
        exit(EX_OSERR);
    }
}
