// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/reply.h"

#include <algorithm>
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

Judgement wrong(std::string_view reason)
{
    return {Verdict::wrong, reason};
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

size_t write_get(const Content &content, uint16_t request_id, uint64_t key, char *out)
{
    char *at = out;

    write_frame_header({request_id, 0, 1, 0}, at);
    at += frame_header_size;
    at = std::copy_n("get ", 4, at);
    content.write_key(key, at);
    at += content.key_size();
    at = std::copy_n("\r\n", 2, at);
    return static_cast<size_t>(at - out);
}

size_t max_reply_size(const Content &content)
{
    return frame_header_size +
           fmt::formatted_size("VALUE {:{}} {} {}\r\n\r\n{}", "", content.key_size(), UINT32_MAX,
                               content.max_value_size(), end_line) +
           content.max_value_size();
}

Judgement judge_get_reply(const Content &content, const Expectation &expected,
                          std::string_view datagram)
{
    const auto header = read_frame_header(datagram);
    if (!header)
        return wrong("shorter than a frame header");
    if (header->sequence != 0 || header->total != 1)
        return wrong("not datagram 0 of 1");
    if (header->reserved != 0)
        return wrong("reserved field of the frame header is not 0");

    std::string_view rest = datagram.substr(frame_header_size);
    if (rest == end_line)
        return {Verdict::miss, {}};

    if (!skip(rest, "VALUE "))
        return wrong("neither VALUE nor END");

    char buffer[max_datagram_size + 8]; // write_value may write up to 7 bytes more
    content.write_key(expected.key, buffer);
    if (!skip(rest, {buffer, content.key_size()}) || !skip(rest, " "))
        return wrong("another key");

    uint32_t flags = 0;
    if (!skip_number(rest, flags) || !skip(rest, " "))
        return wrong("flags are not a number");
    const uint32_t version = content.version_of(expected.key, flags);
    // Differences, not comparisons: versions may wrap around.
    if (version - expected.oldest > expected.newest - expected.oldest || version == 0) {
        const bool older = static_cast<int32_t>(version - expected.oldest) < 0;
        return wrong(older ? "older version than acknowledged before the get (or bad flags)"
                           : "version that was not stored yet (or bad flags)");
    }

    uint32_t size = 0;
    if (!skip_number(rest, size) || !skip(rest, "\r\n") ||
        size != content.value_size(expected.key, version))
        return wrong("length of the value");
    content.write_value(expected.key, version, buffer);
    if (!skip(rest, {buffer, size}))
        return wrong("bytes of the value");
    if (!skip(rest, "\r\n") || rest != end_line)
        return wrong("no END right after the value");
    return {Verdict::hit, {}};
}

} // namespace loadgen
