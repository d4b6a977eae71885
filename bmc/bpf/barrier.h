/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_BPF_BARRIER_H
#define BMC_BPF_BARRIER_H

/*
 * Memory order for what other CPUs and the origin write at the same time.
 * x86 does not reorder loads with loads or stores with stores, so the compiler
 * is all that has to be held. Elsewhere a value-returning atomic orders
 * everything (Documentation/memory-barriers.txt); clang turns a
 * __sync_fetch_and_add whose result is unused into one that orders nothing, but
 * leaves an exchange on a stack word alone.
 */

#include "../abi/types.h"

#define BMC_READ_ONCE(x)     (*(const volatile __typeof__(x) *)&(x))
#define BMC_WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

BMC_INLINE void bmc_barrier(void)
{
#if defined(__bpf__) && !defined(__TARGET_ARCH_x86)
    __u64 word = 0;

    __sync_lock_test_and_set(&word, 1);
#elif defined(__bpf__)
    asm volatile("" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
