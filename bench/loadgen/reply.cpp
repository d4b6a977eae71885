// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/reply.h"

#include <charconv>
#include <fmt/format.h>

namespace loadgen
{

namespace
{

constexpr std::string_view end_line = "END\r\n";

void write_be16(uint16_t number, char *out)
{
    out[0] = static_cast<char>(number >> 8);
    out[1] = static_cast<char>(number & 0xff);
}

uint16_t read_be16(const char *at)
{
    return static_cast<uint16_t>(static_cast<unsigned char>(at[0]) << 8 |
                                 static_cast<unsigned char>(at[1]));
}

bool skip(std::string_view &text, std::string_view prefix)
{
    if (!text.starts_with(prefix))
        return false;
    text.remove_prefix(prefix.size());
    return true;
}

bool skip_number(std::string_view &text, uint32_t &number)
{
    const char *begin = text.data();
    const auto [end, error] = std::from_chars(begin, begin + text.size(), number);
    if (error != std::errc{} || (*begin == '0' && end - begin > 1))
        return false;
    text.remove_prefix(static_cast<size_t>(end - begin));
    return true;
}

} // namespace

void write_frame_header(const FrameHeader &header, char *out)
{
    write_be16(header.request_id, out);
    write_be16(header.sequence, out + 2);
    write_be16(header.total, out + 4);
    write_be16(header.reserved, out + 6);
}

std::optional<FrameHeader> read_frame_header(std::string_view datagram)
{
    if (datagram.size() < frame_header_size)
        return std::nullopt;
    const char *at = datagram.data();
    return FrameHeader{read_be16(at), read_be16(at + 2), read_be16(at + 4), read_be16(at + 6)};
}

void append_get(const Content &content, uint16_t request_id, const std::vector<Asked> &keys,
                std::string &out)
{
    const size_t header_at = out.size();

    out.resize(header_at + frame_header_size);
    write_frame_header({request_id, 0, 1, 0}, out.data() + header_at);
    out += "get";
    for (const Asked &asked : keys) {
        out += ' ';
        const size_t key_at = out.size();
        out.resize(key_at + content.key_size());
        content.write_key(asked.key, out.data() + key_at);
    }
    out += "\r\n";
}

size_t max_reply_size(const Content &content, uint32_t keys)
{
    const size_t value = fmt::formatted_size("VALUE {:{}} {} {}\r\n\r\n", "", content.key_size(),
                                             UINT32_MAX, content.max_value_size()) +
                         content.max_value_size();

    return frame_header_size + keys * value + end_line.size();
}

namespace
{

/// What is wrong with the value of a key, at the start of `rest`, which moves on behind
/// it; empty if nothing is. The words "VALUE <key> " were read.
std::string_view judge_value(const Content &content, const Expectation &expected,
                             std::string_view &rest)
{
    char buffer[max_value_size + 8]; // write_value may write up to 7 bytes more
    uint32_t flags = 0;
    uint32_t size = 0;

    if (!skip_number(rest, flags) || !skip(rest, " "))
        return "flags are not a number";
    const uint32_t version = content.version_of(expected.key, flags);
    // Differences, not comparisons: versions may wrap around.
    if (version - expected.oldest > expected.newest - expected.oldest || version == 0) {
        const bool older = static_cast<int32_t>(version - expected.oldest) < 0;
        return older ? "older version than acknowledged before the get (or bad flags)"
                     : "version that was not stored yet (or bad flags)";
    }

    if (!skip_number(rest, size) || !skip(rest, "\r\n") ||
        size != content.value_size(expected.key, version))
        return "length of the value";
    content.write_value(expected.key, version, buffer);
    if (!skip(rest, {buffer, size}))
        return "bytes of the value";
    return skip(rest, "\r\n") ? "" : "no end of line right after the value";
}

} // namespace

Judgement judge_get_reply(const Content &content, const std::vector<Expectation> &expected,
                          std::string_view datagram)
{
    Judgement judgement{Verdict::wrong, {}, expected.front().key, 0, 0};
    const auto wrong = [&judgement](std::string_view reason) {
        judgement.reason = reason;
        return judgement;
    };

    const auto header = read_frame_header(datagram);
    if (!header)
        return wrong("shorter than a frame header");
    if (header->sequence != 0 || header->total != 1)
        return wrong("not datagram 0 of 1");
    if (header->reserved != 0)
        return wrong("reserved field of the frame header is not 0");

    std::string_view rest = datagram.substr(frame_header_size);
    for (const Expectation &key : expected) {
        char name[6 + max_key_size + 1] = {'V', 'A', 'L', 'U', 'E', ' '};
        content.write_key(key.key, name + 6);
        name[6 + content.key_size()] = ' ';
        if (!skip(rest, {name, 6 + content.key_size() + 1})) {
            judgement.misses++;
            continue;
        }
        const std::string_view reason = judge_value(content, key, rest);
        if (!reason.empty()) {
            judgement.key = key.key;
            return wrong(reason);
        }
        judgement.hits++;
    }
    if (rest != end_line)
        return wrong(rest.starts_with("VALUE ") ? "another key, or keys out of order"
                     : judgement.hits > 0       ? "no END right after the value"
                                                : "neither VALUE nor END");
    judgement.verdict = judgement.misses == 0 ? Verdict::hit : Verdict::miss;
    return judgement;
}

} // namespace loadgen
