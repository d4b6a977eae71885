// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/packet.h"

#include <gtest/gtest.h>

#include "tests/harness/error.h"

namespace bmc::test
{
namespace
{

Bytes request(std::string_view text)
{
    return (Ethernet{} / Ipv4{} / Udp{} / MemcachedFrame{} / text).build();
}

// The example of Wikipedia's article "Internet checksum".
TEST(Packet, Ipv4HeaderHasTheKnownChecksum)
{
    const Bytes built =
        (Packet(
             Ipv4{.source = "192.168.0.1", .destination = "192.168.0.199", .dont_fragment = true}) /
         Udp{} / Payload{Bytes(0x73 - 20 - 8)})
            .build();
    const Bytes expected = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                            0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

    EXPECT_EQ(Bytes(built.begin(), built.begin() + 20), expected);
    EXPECT_EQ(built.size(), 0x73U);
}

// Summed by hand: 0a4d+0002+0a4d+0001 + 0011+000a + 9c40+2bcb+000a + 6162.
TEST(Packet, UdpHasTheKnownChecksum)
{
    const Bytes built = (Packet(Ipv4{}) / Udp{} / "ab").build();
    const unsigned sum =
        0x0a4d + 0x0002 + 0x0a4d + 0x0001 + 0x0011 + 0x000a + 0x9c40 + 0x2bcb + 0x000a + 0x6162;
    const unsigned checksum = ~(sum % 0xffff) & 0xffff;

    EXPECT_EQ(built.at(26), checksum >> 8);
    EXPECT_EQ(built.at(27), checksum & 0xff);
}

TEST(Packet, ParseFindsWhatWasBuilt)
{
    const Bytes built = (Ethernet{.destination = mac_of("02:00:00:00:00:01"),
                                  .source = mac_of("02:00:00:00:00:02")} /
                         Vlan{.id = 7, .priority = 3} /
                         Ipv4{.tos = 0xb8, .id = 0x1234, .ttl = 3, .options = {1, 1, 0}} /
                         Udp{.source_port = 1, .destination_port = 2} / "odd")
                            .build();
    const auto p = parse(built);

    ASSERT_TRUE(p);
    EXPECT_EQ(p->ethernet.destination, mac_of("02:00:00:00:00:01"));
    EXPECT_EQ(p->ethernet.source, mac_of("02:00:00:00:00:02"));
    ASSERT_EQ(p->vlans.size(), 1U);
    EXPECT_EQ(p->vlans[0].id, 7);
    EXPECT_EQ(p->vlans[0].priority, 3);
    ASSERT_TRUE(p->ipv4);
    EXPECT_EQ(p->ipv4->source, "10.77.0.2");
    EXPECT_EQ(p->ipv4->destination, "10.77.0.1");
    EXPECT_EQ(p->ipv4->tos, 0xb8);
    EXPECT_EQ(p->ipv4->id, 0x1234);
    EXPECT_EQ(p->ipv4->ttl, 3);
    EXPECT_EQ(p->ipv4->options, (Bytes{1, 1, 0, 0}));
    EXPECT_EQ(p->udp.source_port, 1);
    EXPECT_EQ(p->udp.destination_port, 2);
    EXPECT_EQ(text_of(p->payload), "odd");
    EXPECT_TRUE(p->ip_checksum_right);
    EXPECT_TRUE(p->udp_checksum_right);
}

TEST(Packet, ParseFindsWhatWasBuiltOverIpv6)
{
    const Bytes built =
        (Ethernet{} / Ipv6{.traffic_class = 0xb8, .flow_label = 0x12345, .hop_limit = 3} / Udp{} /
         "text")
            .build();
    const auto p = parse(built);

    ASSERT_TRUE(p);
    ASSERT_TRUE(p->ipv6);
    EXPECT_EQ(p->ipv6->source, "fd77::2");
    EXPECT_EQ(p->ipv6->destination, "fd77::1");
    EXPECT_EQ(p->ipv6->traffic_class, 0xb8);
    EXPECT_EQ(p->ipv6->flow_label, 0x12345U);
    EXPECT_EQ(p->ipv6->hop_limit, 3);
    EXPECT_EQ(text_of(p->payload), "text");
    EXPECT_TRUE(p->udp_checksum_right);
}

TEST(Packet, EveryChangedByteOfHeadersOrPayloadIsNoticed)
{
    const Bytes good = request("get key\r\n");

    for (std::size_t at = 14; at < good.size(); at++) {
        Bytes bad = good;
        bad[at] ^= 0x01;
        const auto p = parse(bad);
        EXPECT_FALSE(p && p->ip_checksum_right && p->udp_checksum_right) << "byte " << at;
    }
}

TEST(Packet, ExplicitFieldsGoOutAsTheyAre)
{
    const auto p =
        parse((Ethernet{} / Ipv4{.checksum = 0x1111} / Udp{.checksum = 0x2222} / "x").build());

    ASSERT_TRUE(p);
    EXPECT_EQ(p->ipv4->checksum, 0x1111);
    EXPECT_FALSE(p->ip_checksum_right);
    EXPECT_EQ(p->udp.checksum, 0x2222);
    EXPECT_FALSE(p->udp_checksum_right);
}

TEST(Packet, ExtensionHeadersAreChainedAndPadded)
{
    const Bytes built = (Packet(Ipv6{}) / Ipv6Extension{.type = 0} /
                         Ipv6Extension{.type = 60, .body = Bytes(7)} / Udp{})
                            .build();

    ASSERT_EQ(built.size(), 40U + 8 + 16 + 8);
    EXPECT_EQ(built[6], 0);
    EXPECT_EQ(built[40], 60);
    EXPECT_EQ(built[41], 0);
    EXPECT_EQ(built[48], protocol_udp);
    EXPECT_EQ(built[49], 1);
}

TEST(Packet, FragmentsCoverTheFrame)
{
    const Bytes v4 = request("0123456789abcdef");
    const auto parts4 = fragments(v4, 16);

    ASSERT_EQ(parts4.size(), 2U);
    EXPECT_EQ(parts4[0].size(), 14U + 20 + 16);
    EXPECT_EQ(parts4[1].size(), 14U + 20 + 16);
    EXPECT_EQ(parts4[0][20], 0x20); // more fragments, offset 0
    EXPECT_EQ(parts4[1][20], 0x00);
    EXPECT_EQ(parts4[1][21], 2); // 16 bytes
    for (const Bytes &part : parts4)
        EXPECT_EQ(internet_sum(std::span(part).subspan(14, 20)), 0xffff);

    const Bytes v6 = (Ethernet{} / Ipv6{} / Udp{} / "0123456789abcdef").build();
    const auto parts6 = fragments(v6, 16);
    ASSERT_EQ(parts6.size(), 2U);
    EXPECT_EQ(parts6[0].size(), 14U + 40 + 8 + 16);
    EXPECT_EQ(parts6[1].size(), 14U + 40 + 8 + 8);
    EXPECT_EQ(parts6[0][20], protocol_fragment);
    EXPECT_EQ(parts6[1][54], protocol_udp);
    EXPECT_EQ(parts6[0][57], 1);      // offset 0, more
    EXPECT_EQ(parts6[1][57], 2 << 3); // 16 bytes, last
}

TEST(Packet, WrongTextIsRefused)
{
    EXPECT_THROW(mac_of("02:00:00:00:00"), Error);
    EXPECT_THROW(mac_of("02:00:00:00:00:01:02"), Error);
    EXPECT_THROW((Packet(Ipv4{.source = "10.77.0"}).build()), Error);
    EXPECT_THROW((fragments(request("x"), 12)), Error);
}

} // namespace
} // namespace bmc::test
