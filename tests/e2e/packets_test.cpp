// SPDX-License-Identifier: BSD-3-Clause
//
// Packets that no ordinary client sends: whatever the server's own stack would
// make of them, the cache in front of it makes the same.

#include <array>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "tests/e2e/wire.h"
#include "tests/harness/error.h"

namespace bmc::test
{
namespace
{

class Packets : public WireE2e
{
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, Packets, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, Packets, with_cache, setup_name);

// Tag 0 marks a priority only; a stack without VLANs takes such packets.
TEST_P(Packets, Row08PriorityTag)
{
    const std::string k = cached_key("k", "old");
    const Packet headers = Packet(ethernet()) / Vlan{.id = 0, .priority = 5} / ip() / from_client();
    const Counters growth =
        during([&] { expect_reply(craft(headers, get(k)), value_reply(k, "old")); });

    if (cached()) {
        EXPECT_EQ(count(growth, "hit"), 1U);
    }
    expect_reply(craft(headers, "set " + k + " 0 0 3\r\nnew\r\n"), "STORED\r\n");
    warm(k, "new");
}

// There is no VLAN 5 on the server's interface: its packets are for others.
TEST_P(Packets, Row08TagOfAnUnknownVlan)
{
    const std::string k = cached_key("k", "value");

    expect_silence(craft(Packet(ethernet()) / Vlan{.id = 5} / ip() / from_client(), get(k)));
}

// A frame with room behind the packet lets XDP answer with large values too.
TEST_P(Packets, Row10LargeValuesInLargeFrames)
{
    const std::string k = key("k");
    const std::size_t headers = (ipv6() ? 40 : 20) + 8 + 8;
    const std::size_t largest = ipv6() ? 1280 - headers : 1480;

    for (std::size_t size = 1; size <= 1500; size += 57) {
        SCOPED_TRACE(size);
        const std::string value = content(size, static_cast<unsigned>(size), true);
        const std::string reply = value_reply(k, value);
        Crafted request = craft(get(k));

        request.frames.front().resize(1514);
        store(k, value);
        expect_udp(get(k), reply);
        const Counters growth = during([&] {
            if (reply.size() <= 1400 - 8)
                expect_reply(request, reply);
            else
                send(request);
        });
        if (cached()) {
            EXPECT_EQ(count(growth, "hit"), reply.size() <= largest ? 1U : 0U);
        }
    }
}

TEST_P(Packets, Row15Fragments)
{
    const std::string k = cached_key(std::string(100, 'k'), "old");
    Crafted request = craft_fragments(get(k), 24);
    const Counters growth = during([&] { expect_reply(request, value_reply(k, "old")); });

    EXPECT_EQ(count(growth, "hit"), 0U);
    if (cached()) {
        EXPECT_EQ(count(growth, "rx_pass_fragment"), request.frames.size());
    }
    // The first one last.
    request = craft_fragments(get(k), 48);
    std::swap(request.frames.front(), request.frames.back());
    expect_reply(request, value_reply(k, "old"));
    // A write in fragments is seen by the next GET.
    expect_reply(craft_fragments("set " + k + " 0 0 3\r\nnew\r\n", 48), "STORED\r\n");
    warm(k, "new");
}

// What leaves the server from memcached's port is not always memcached's: some
// other program may send it, or a queue may have kept it back for long.
TEST_P(Packets, Row19RepliesThatAreNoneOfMemcached)
{
    const RawSocket server_side(lab().server(), Lab::interface);
    const std::string absent = key("absent");
    const std::string stored = key("stored");
    const std::string changed = cached_key("changed", "old");
    const std::string deleted = cached_key("deleted", "old");
    const Layer from_server =
        ipv6() ? Layer(Ipv6{.source = Lab::server6, .destination = Lab::client6})
               : Layer(Ipv4{.source = Lab::server4, .destination = Lab::client4});
    const auto forge = [&](const std::string &text) {
        server_side.send(
            (Packet(Ethernet{.destination = lab().client_mac(), .source = lab().server_mac()}) /
             from_server / Udp{.source_port = 11211, .destination_port = udp().port()} /
             MemcachedFrame{.request_id = next_id()} / text)
                .build());
    };

    store(stored, "good");
    store(changed, "new");
    expect_tcp("delete " + deleted, "DELETED");
    const Counters growth = during([&] {
        for (const std::string &k : {absent, stored, changed, deleted}) {
            forge(value_reply(k, "EVIL"));
            forge(value_reply(k, "old"));
        }
    });
    if (cached()) {
        EXPECT_EQ(count(growth, "tx_replies"), 8U); // tx_filter has seen them
        EXPECT_EQ(count(growth, "fill_keys"), 0U);
    }
    expect_udp(get(absent), "END\r\n");
    expect_udp(get(stored), value_reply(stored, "good"));
    expect_udp(get(changed), value_reply(changed, "new"));
    expect_udp(get(deleted), "END\r\n");
    // The same when the keys are cached.
    forge(value_reply(stored, "EVIL"));
    forge(value_reply(changed, "old"));
    forge("END\r\n");
    expect_hit(get(stored), value_reply(stored, "good"));
    expect_hit(get(changed), value_reply(changed, "new"));
    expect_udp(get(deleted), "END\r\n");
}

TEST_P(Packets, Row21FrameHeader)
{
    const std::string k = cached_key("k", "value");
    struct Case {
        MemcachedFrame frame;
        bool answered;
    };

    for (const Case &c :
         {Case{{.sequence = 0, .total = 2}, false}, Case{{.sequence = 1, .total = 2}, false},
          Case{{.sequence = 0, .total = 0}, false}, Case{{.sequence = 0, .total = 0x100}, false},
          Case{{.sequence = 5, .total = 1}, true},
          Case{{.sequence = 0, .total = 1, .reserved = 0xbeef}, true}}) {
        SCOPED_TRACE(fmt::format("sequence {}, total {}, reserved {:#x}", c.frame.sequence,
                                 c.frame.total, c.frame.reserved));
        MemcachedFrame frame = c.frame;
        frame.request_id = next_id();
        const Bytes packet = (Packet(ethernet()) / ip() / from_client() / frame / get(k)).build();

        if (!c.answered) {
            expect_silence({.id = frame.request_id, .frames = {packet}});
            continue;
        }
        raw().send(packet);
        const auto reply = receive(frame.request_id, reply_limit);
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->text, value_reply(k, "value"));
        // Sequence 0 of 1, reserved 0.
        EXPECT_EQ(Bytes(reply->parsed.payload.begin() + 2, reply->parsed.payload.begin() + 8),
                  (Bytes{0, 0, 0, 1, 0, 0}));
    }
    // Shorter than the frame header, and the frame header alone.
    const std::uint16_t id = next_id();
    const Bytes start = {static_cast<std::uint8_t>(id >> 8), static_cast<std::uint8_t>(id & 0xff)};
    expect_silence(
        {.id = id,
         .frames = {(Packet(ethernet()) / ip() / from_client() / Payload{start}).build()}});
    expect_silence(craft(""));
}

TEST_P(Packets, Row22WrongUdpHeader)
{
    const std::string k = cached_key("k", "value");
    const std::string text = get(k);
    const auto length = static_cast<std::uint16_t>(8 + 8 + text.size());
    const auto with = [&](Udp header, const std::string &payload) {
        header.source_port = udp().port();
        return craft(Packet(ethernet()) / ip() / header, payload);
    };
    const std::uint16_t of_another_id = *parse(with({}, text).frames.front())->udp.checksum;

    expect_silence(with({.checksum = of_another_id}, text));
    expect_silence(with({.length = static_cast<std::uint16_t>(length + 1)}, text));
    expect_silence(with({.length = 7}, text));
    expect_silence(with({.length = 0}, text));
    // The datagram ends where its own length says.
    expect_silence(with({.length = static_cast<std::uint16_t>(length - 3)}, text));
    expect_reply(with({.length = length}, text + "get x"), value_reply(k, "value"));
    expect_silence(with({.destination_port = 11212}, text));
    // No checksum: allowed over IPv4, forbidden over IPv6.
    if (ipv6())
        expect_silence(with({.checksum = 0}, text));
    else
        expect_reply(with({.checksum = 0}, text), value_reply(k, "value"));
}

TEST_P(Packets, Row22WrongIpHeader)
{
    const std::string k = cached_key("k", "value");
    const auto with = [&](const Layer &header) {
        return craft(Packet(ethernet()) / header / from_client(), get(k));
    };
    const auto length = static_cast<std::uint16_t>(8 + 8 + get(k).size());
    const auto more = static_cast<std::uint16_t>(length + 1);
    const auto less = static_cast<std::uint16_t>(length - 4);

    if (ipv6()) {
        expect_silence(with(Ipv6{.version = 5}));
        expect_silence(with(Ipv6{.payload_length = more}));
        expect_silence(with(Ipv6{.payload_length = less}));
        expect_silence(with(Ipv6{.payload_length = 4}));
        expect_silence(with(Ipv6{.next_header = 6}));
        expect_silence(with(Ipv6{.destination = "fd77::99"}));
        for (const char *source : {"::", "::1", "ff02::1", Lab::server6}) {
            SCOPED_TRACE(source);
            expect_silence(with(Ipv6{.source = source}));
        }
        expect_reply(with(Ipv6{}), value_reply(k, "value"));
        return;
    }
    expect_silence(with(Ipv4{.checksum = 0x1234}));
    expect_silence(with(Ipv4{.version = 5}));
    expect_silence(with(Ipv4{.header_words = 4}));
    expect_silence(with(Ipv4{.header_words = 15}));
    expect_silence(with(Ipv4{.total_length = static_cast<std::uint16_t>(20 + more)}));
    expect_silence(with(Ipv4{.total_length = static_cast<std::uint16_t>(20 + less)}));
    expect_silence(with(Ipv4{.total_length = 20}));
    expect_silence(with(Ipv4{.total_length = 19}));
    expect_silence(with(Ipv4{.protocol = 6}));
    expect_silence(with(Ipv4{.destination = "10.77.0.99"}));
    expect_silence(with(Ipv4{.more_fragments = true}));
    expect_silence(with(Ipv4{.fragment_offset = 1}));
    for (const char *source :
         {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.77.0.255", Lab::server4}) {
        SCOPED_TRACE(source);
        expect_silence(with(Ipv4{.source = source}));
    }
    expect_reply(with(Ipv4{}), value_reply(k, "value"));
}

TEST_P(Packets, Row22ForOthersOnTheLink)
{
    const std::string k = cached_key("k", "value");
    Ethernet link = ethernet();

    link.destination = mac_of("02:77:77:77:77:77");
    expect_silence(craft(Packet(link) / ip() / from_client(), get(k)));
}

// A reply has headers of its own, not those of the request.
TEST_P(Packets, Row23HeadersOfTheReply)
{
    const std::string k = cached_key("k", "value");
    const Layer header =
        ipv6() ? Layer(Ipv6{.traffic_class = 0xb8, .flow_label = 0x12345, .hop_limit = 3})
               : Layer(Ipv4{.tos = 0xb8, .id = 0x1234, .ttl = 3});
    const Counters growth = during([&] {
        const Crafted request = craft(Packet(ethernet()) / header / from_client(), get(k));

        send(request);
        const auto reply = receive(request.id, reply_limit);
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->text, value_reply(k, "value"));
        EXPECT_EQ(reply->parsed.ethernet.source, lab().server_mac());
        EXPECT_EQ(reply->parsed.ethernet.destination, lab().client_mac());
        EXPECT_EQ(reply->parsed.udp.destination_port, udp().port());
        if (ipv6()) {
            ASSERT_TRUE(reply->parsed.ipv6);
            EXPECT_EQ(reply->parsed.ipv6->source, Lab::server6);
            EXPECT_EQ(reply->parsed.ipv6->destination, Lab::client6);
            EXPECT_EQ(reply->parsed.ipv6->hop_limit, 64);
            EXPECT_EQ(reply->parsed.ipv6->traffic_class, 0);
            EXPECT_NE(reply->parsed.ipv6->flow_label, 0x12345U);
        } else {
            ASSERT_TRUE(reply->parsed.ipv4);
            EXPECT_EQ(reply->parsed.ipv4->source, Lab::server4);
            EXPECT_EQ(reply->parsed.ipv4->destination, Lab::client4);
            EXPECT_EQ(reply->parsed.ipv4->ttl, 64);
            EXPECT_EQ(reply->parsed.ipv4->tos, 0);
            EXPECT_NE(reply->parsed.ipv4->id, 0x1234);
        }
        if (cached()) {
            EXPECT_FALSE(reply->frame.checksum_left_to_device);
            EXPECT_NE(reply->parsed.udp.checksum, 0);
        }
    });

    if (cached()) {
        EXPECT_EQ(count(growth, "hit"), 1U);
    }
}

// Whatever the addresses, ports and ids: no reply is lost and every checksum is
// right (receive() looks).
TEST_P(Packets, Row24EveryChecksum)
{
    constexpr unsigned requests = 4096;
    // Odd and even lengths of what is summed up, in every order.
    const std::string even = "row-24-even";
    const std::string odd = "row-24-odd";
    const std::string even_block = value_block(even, "value");
    const std::string odd_block = value_block(odd, "value");
    struct Case {
        std::string request;
        std::string reply;
    };
    const std::array<Case, 5> cases = {{{get(even), even_block},
                                        {get(odd), odd_block},
                                        {get(odd + " " + even), odd_block + even_block},
                                        {get(even + " " + odd), even_block + odd_block},
                                        {get(odd + " " + odd), odd_block + odd_block}}};

    ASSERT_EQ(even_block.size() % 2, 0U);
    ASSERT_EQ(odd_block.size() % 2, 1U);
    for (const std::string &k : {even, odd}) {
        store(k, "value");
        warm(k, "value");
    }
    // The server knows a way back to every source.
    run_checked(ipv6() ? std::vector<std::string>{"ip", "-6", "route", "replace", "fd00::/8", "via",
                                                  Lab::client6, "dev", Lab::interface}
                       : std::vector<std::string>{"ip", "route", "replace", "10.0.0.0/8", "via",
                                                  Lab::client4, "dev", Lab::interface},
                &lab().server());
    const Counters growth = during([&] {
        for (unsigned i = 0; i < requests; i++) {
            const std::uint16_t id = static_cast<std::uint16_t>(i);
            const Case &c = cases.at(i % cases.size());
            const Layer header =
                ipv6() ? Layer(Ipv6{.source = fmt::format("fd78:{:x}::{:x}:{:x}", i * 15,
                                                          (i * 40503) & 0xffff, i & 0xff)})
                       : Layer(Ipv4{.source = fmt::format("10.{}.{}.{}", 78 + i % 100, i / 16,
                                                          i * 37 % 255),
                                    .id = static_cast<std::uint16_t>(i * 16 + i / 256)});
            const Udp ports = {.source_port = static_cast<std::uint16_t>(1024 + i * 15)};

            raw().send(
                (Packet(ethernet()) / header / ports / MemcachedFrame{.request_id = id} / c.request)
                    .build());
            const auto reply = receive(id, reply_limit);
            ASSERT_TRUE(reply) << "request " << i;
            ASSERT_EQ(reply->text, c.reply + "END\r\n");
            ASSERT_FALSE(HasFailure()) << "request " << i;
            if (cached()) {
                ASSERT_FALSE(reply->frame.checksum_left_to_device);
            }
        }
    });
    if (cached()) {
        EXPECT_EQ(count(growth, "hit"), requests);
    }
}

} // namespace
} // namespace bmc::test
