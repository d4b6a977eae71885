// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_REPLY_H
#define BENCH_LOADGEN_REPLY_H

#include "bench/loadgen/content.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace loadgen
{

/// memcached's UDP frame header (protocol.txt, "UDP protocol"): four 16-bit
/// numbers in network byte order in front of each datagram.
struct FrameHeader {
    uint16_t request_id;
    uint16_t sequence;
    uint16_t total;
    uint16_t reserved;
};

inline constexpr size_t frame_header_size = 8;

/// Payload of a UDP datagram of memcached, frame header included (its
/// UDP_MAX_PAYLOAD_SIZE).
inline constexpr size_t max_datagram_size = 1400;

void write_frame_header(const FrameHeader &header, char *out);
/// Nothing if the datagram is shorter than a header.
std::optional<FrameHeader> read_frame_header(std::string_view datagram);

/// Bytes of a request for one key of max_key_size.
inline constexpr size_t max_get_size = frame_header_size + 4 + max_key_size + 2;

/// Writes a whole datagram "get KEY" to `out` (room for max_get_size bytes) and
/// returns its size.
size_t write_get(const Content &content, uint16_t request_id, uint64_t key, char *out);

/// Size of the datagram that answers a get of a present key with the largest
/// value.
size_t max_reply_size(const Content &content);

/// What is known of a key when a reply to a get is judged. A right value is of
/// no older version than the last one acknowledged before the get was sent, and
/// of no newer one than the last one sent before the reply was looked at.
/// Version 0 stands for absent.
struct Expectation {
    uint64_t key;
    uint32_t oldest;
    uint32_t newest;
};

enum class Verdict { hit, miss, wrong };

struct Judgement {
    Verdict verdict;
    std::string_view reason; // what is wrong; empty otherwise
};

/// Judges a datagram that carries the request id of a get of one key: frame
/// header, key, flags, length, every byte of the value, and the end.
Judgement judge_get_reply(const Content &content, const Expectation &expected,
                          std::string_view datagram);

} // namespace loadgen

#endif
