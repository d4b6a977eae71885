// SPDX-License-Identifier: BSD-3-Clause
#include "tests/e2e/wire.h"

namespace bmc::test
{

using namespace std::chrono_literals;

void WireE2e::SetUp()
{
    E2e::SetUp();
    if (!IsSkipped() && !HasFatalFailure())
        raw_.emplace(lab().client(), Lab::interface);
}

Ethernet WireE2e::ethernet() const
{
    return {.destination = lab().server_mac(), .source = lab().client_mac()};
}

Layer WireE2e::ip() const
{
    return ipv6() ? Layer(Ipv6{}) : Layer(Ipv4{.id = 0x1234});
}

Udp WireE2e::from_client()
{
    return {.source_port = udp().port()};
}

Crafted WireE2e::craft(Packet headers, const std::string &text)
{
    const std::uint16_t id = next_id();

    headers /= MemcachedFrame{.request_id = id};
    headers /= text;
    return {.id = id, .frames = {headers.build()}};
}

Crafted WireE2e::craft(const std::string &text)
{
    return craft(Packet(ethernet()) / ip() / from_client(), text);
}

Crafted WireE2e::craft_fragments(const std::string &text, std::size_t size)
{
    const Crafted whole = craft(text);

    return {.id = whole.id, .frames = fragments(whole.frames.front(), size, whole.id)};
}

void WireE2e::send(const Crafted &request) const
{
    for (const Bytes &frame : request.frames)
        raw().send(frame);
}

std::optional<WireReply> WireE2e::receive(std::uint16_t id, std::chrono::milliseconds limit)
{
    auto frame = raw().receive_udp(
        [&](const Parsed &p) {
            return p.udp.source_port == server().port && p.payload.size() >= 8 &&
                   (p.payload[0] << 8 | p.payload[1]) == id;
        },
        limit);

    if (!frame)
        return std::nullopt;
    WireReply reply{.frame = std::move(*frame), .parsed = {}, .text = {}};
    reply.parsed = *parse(reply.frame.bytes);
    reply.text = text_of(reply.parsed.payload.subspan(8));
    EXPECT_TRUE(reply.parsed.ip_checksum_right);
    EXPECT_TRUE(reply.frame.checksum_left_to_device || reply.parsed.udp_checksum_right);
    return reply;
}

void WireE2e::expect_reply(const Crafted &request, const std::string &text, Where where)
{
    const auto scope = trace(where);

    send(request);
    const auto reply = receive(request.id, reply_limit);
    EXPECT_EQ(reply ? reply->text : no_reply, text);
}

void WireE2e::expect_silence(const Crafted &request, Where where)
{
    const auto scope = trace(where);

    send(request);
    ASSERT_TRUE(udp().ask("version\r\n"));
    // Frames that name another source have another flow, and perhaps the other
    // worker, which may be a little behind.
    const auto reply = receive(request.id, 20ms);
    EXPECT_FALSE(reply) << "answered: " << reply->text;
}

} // namespace bmc::test
