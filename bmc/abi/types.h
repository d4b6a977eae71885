/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_ABI_TYPES_H
#define BMC_ABI_TYPES_H

/*
 * Integer types and the few compiler helpers that let one header be compiled
 * by BPF C, by C11 (memcached-sr) and by C++20 (the loader and the tests).
 * BPF sources include "vmlinux.h" before any header of abi/ or protocol/.
 */

#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#else
#include <linux/types.h>
#endif

#ifdef __cplusplus
#define BMC_STATIC_ASSERT static_assert
#else
#define BMC_STATIC_ASSERT _Static_assert
#endif

#define BMC_INLINE static inline __attribute__((always_inline, unused))

/*
 * A function that the BPF verifier walks once, whatever leads to it, instead of once
 * for every path through its callers; its pointers are to be checked for NULL.
 */
#ifdef __bpf__
#define BMC_GLOBAL __attribute__((noinline))
#else
#define BMC_GLOBAL BMC_INLINE
#endif

#define BMC_CACHE_LINE 64

#endif
