// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_REPLY_H
#define BENCH_LOADGEN_REPLY_H

#include "bench/loadgen/content.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// Keys of one get, at most.
inline constexpr uint32_t max_keys_per_get = 64;

/// A key that was asked for, and its version acknowledged before that.
struct Asked {
    uint64_t key;
    uint32_t oldest;
};

/// Appends a whole datagram "get KEY..." to `out`.
void append_get(const Content &content, uint16_t request_id, const std::vector<Asked> &keys,
                std::string &out);

/// Size of the datagram that answers a get of so many present keys with the largest
/// values.
size_t max_reply_size(const Content &content, uint32_t keys);

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
    Verdict verdict;         // a hit if every key has a value
    std::string_view reason; // what is wrong; empty otherwise
    uint64_t key;            // with which key it is wrong; the first one otherwise
    uint32_t hits;           // keys with a value
    uint32_t misses;         // keys without
};

/// Judges a datagram that carries the request id of a get of these keys, at least one:
/// frame header, keys in their order, flags, lengths, every byte of the values, and the
/// end.
Judgement judge_get_reply(const Content &content, const std::vector<Expectation> &expected,
                          std::string_view datagram);

} // namespace loadgen

#endif
