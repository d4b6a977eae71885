// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * For the client's end of a lab: veth delivers frames sent by XDP_TX from the
 * other end only to a device that itself runs an XDP program. Free of headers,
 * so that clang alone can compile it.
 */

enum { PASS = 2 }; /* XDP_PASS of linux/bpf.h */

__attribute__((section("xdp"), used)) int xdp_pass(void *ctx)
{
    (void)ctx;
    return PASS;
}

__attribute__((section("license"), used)) char LICENSE[] = "Dual BSD/GPL";
