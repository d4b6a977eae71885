/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_PROTOCOL_UDP_FRAME_H
#define BMC_PROTOCOL_UDP_FRAME_H

/* The frame header of memcached over UDP (protocol.txt, "UDP protocol"). */

#include "scan.h"

/* All fields in network byte order. */
struct bmc_udp_frame {
    __u16 request_id;
    __u16 sequence;
    __u16 total;
    __u16 reserved;
};

BMC_STATIC_ASSERT(sizeof(struct bmc_udp_frame) == 8, "eight bytes on the wire");

#define BMC_FRAME_SIZE 8

/*
 * Most bytes of UDP payload that memcached puts into one datagram, frame header
 * included (UDP_MAX_PAYLOAD_SIZE in memcached.h).
 */
#define BMC_UDP_PAYLOAD_MAX 1400
/* Longest payload that is looked at: that of an IPv4 packet of 1500 bytes. */
#define BMC_PAYLOAD_MAX 1472
/* Most bytes of a reply in one datagram. */
#define BMC_DATAGRAM_DATA (BMC_UDP_PAYLOAD_MAX - BMC_FRAME_SIZE)

#define BMC_CLOSING_SIZE 5 /* "END\r\n" */
/* Most bytes of VALUE text of a reply from the kernel, so also of one value's. */
#define BMC_REPLY_TEXT_MAX (BMC_TEXT_MAX - BMC_FRAME_SIZE - BMC_CLOSING_SIZE)

/* The frame header as a little-endian word; request_id in network byte order. */
BMC_INLINE __u64 bmc_frame_of(__u16 request_id, __u8 sequence, __u8 total)
{
    return request_id | ((__u64)sequence << 24) | ((__u64)total << 40);
}

/*
 * Whether the frame header at the start of the text announces a whole message:
 * sequence 0, total 1, reserved 0. memcached ignores what is not total 1 and
 * overlooks the other two; only the plain form is answered here.
 */
BMC_INLINE int bmc_frame_is_whole(const struct bmc_text *text)
{
    return bmc_word(text->byte) == bmc_frame_of(bmc_two(text->byte), 0, 1);
}

#endif
