// SPDX-License-Identifier: BSD-3-Clause

// What the kernel does not answer goes up byte for byte, for the counted reason.
#include "tests/bpf/datapath.h"

namespace bmc::test
{
namespace
{

const Ethernet ethernet{.destination = server_mac, .source = client_mac};
const MemcachedFrame memcached{.request_id = 7};
const std::string_view get = "get key\r\n";

struct Case {
    std::string_view description;
    Packet packet;
    Counts counts;
};

Counts one(const std::string &reason)
{
    return {{reason, 1}};
}

// Counted as a request before its headers are looked at further.
Counts requests(const std::string &reason)
{
    return {{"rx_requests", 1}, {reason, 1}};
}

// All cases are such that the key, which is cached, would be answered if the one
// thing that is wrong were not.
class Pass : public BpfTest
{
  protected:
    void SetUp() override
    {
        BpfTest::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        dp().fill("key", 0, "value");
        expect_reply(dp(), get, "VALUE key 0 5\r\nvalue\r\nEND\r\n");
    }

    static void expect_all(const std::vector<Case> &cases)
    {
        for (const auto &[description, packet, counts] : cases) {
            SCOPED_TRACE(description);
            expect_pass(dp(), packet.build(), counts);
        }
        // and none of them has harmed the entry
        expect_reply(dp(), get, "VALUE key 0 5\r\nvalue\r\nEND\r\n");
    }
};

TEST_F(Pass, OtherTraffic)
{
    expect_all({
        {"ARP", Packet(ethernet) / Layer(Payload{Bytes(28)}), one("rx_other")},
        {"no IP header", Packet(Ethernet{server_mac, client_mac, ethertype_ipv4}), one("rx_other")},
        {"half an IPv4 header",
         Packet(Ethernet{server_mac, client_mac, ethertype_ipv4}) / Layer(Payload{Bytes(19, 0x45)}),
         one("rx_other")},
        {"half an IPv6 header",
         Packet(Ethernet{server_mac, client_mac, ethertype_ipv6}) / Layer(Payload{Bytes(39, 0x60)}),
         one("rx_other")},
        {"half a tag",
         Packet(Ethernet{server_mac, client_mac, ethertype_vlan}) / Layer(Payload{Bytes(3)}),
         one("rx_other")},
        {"TCP", Packet(ethernet) / Ipv4{.protocol = 6} / Udp{} / memcached / get, one("rx_other")},
        {"TCP over IPv6", Packet(ethernet) / Ipv6{.next_header = 6} / Udp{} / memcached / get,
         one("rx_other")},
        {"ICMPv6", Packet(ethernet) / Ipv6{.next_header = 58} / Udp{} / memcached / get,
         one("rx_other")},
        {"row 22: another address",
         Packet(ethernet) / Ipv4{.destination = "10.77.0.3"} / Udp{} / memcached / get,
         one("rx_other")},
        {"another IPv6 address",
         Packet(ethernet) / Ipv6{.destination = "fd77::3"} / Udp{} / memcached / get,
         one("rx_other")},
        {"broadcast",
         Packet(ethernet) / Ipv4{.destination = "255.255.255.255"} / Udp{} / memcached / get,
         one("rx_other")},
        {"another port",
         Packet(ethernet) / Ipv4{} / Udp{.destination_port = 11212} / memcached / get,
         one("rx_other")},
        {"port with its bytes swapped",
         Packet(ethernet) / Ipv4{} / Udp{.destination_port = 0xcb2b} / memcached / get,
         one("rx_other")},
        {"from the port, not to it",
         Packet(ethernet) / Ipv4{} / Udp{.source_port = 11211, .destination_port = 40000} /
             memcached / get,
         one("rx_other")},
        {"three tags",
         Packet(ethernet) / Vlan{.id = 0} / Vlan{.id = 0} / Vlan{.id = 0} / Ipv4{} / Udp{} /
             memcached / get,
         one("rx_other")},
    });
}

// Row 15.
TEST_F(Pass, Fragments)
{
    expect_all({
        {"first", Packet(ethernet) / Ipv4{.more_fragments = true} / Udp{} / memcached / get,
         one("rx_pass_fragment")},
        {"last", Packet(ethernet) / Ipv4{.fragment_offset = 1} / Udp{} / memcached / get,
         one("rx_pass_fragment")},
        {"last, furthest",
         Packet(ethernet) / Ipv4{.fragment_offset = 0x1fff} / Udp{} / memcached / get,
         one("rx_pass_fragment")},
        {"IPv6",
         Packet(ethernet) / Ipv6{} / Ipv6Extension{.type = 44, .body = Bytes(6)} / Udp{} /
             memcached / get,
         one("rx_pass_fragment")},
    });
    for (const Bytes &part : fragments(request(get), 16))
        expect_pass(dp(), part, one("rx_pass_fragment"));
    for (const Bytes &part : fragments(request(get, {.family = Family::ipv6}), 16))
        expect_pass(dp(), part, one("rx_pass_fragment"));
}

TEST_F(Pass, OptionsAndExtensionHeaders)
{
    std::vector<Case> cases;

    for (const std::uint8_t type : {0, 43, 60})
        cases.push_back(
            {"IPv6 extension header",
             Packet(ethernet) / Ipv6{} / Ipv6Extension{.type = type} / Udp{} / memcached / get,
             one("rx_pass_ip_options")});
    for (const std::size_t length : {1U, 4U, 40U})
        cases.push_back(
            {"IPv4 options",
             Packet(ethernet) / Ipv4{.options = Bytes(length, 1)} / Udp{} / memcached / get,
             one("rx_pass_ip_options")});
    expect_all(cases);
}

// Row 22.
TEST_F(Pass, IpHeaders)
{
    std::vector<Case> cases = {
        {"version 5", Packet(ethernet) / Ipv4{.version = 5} / Udp{} / memcached / get,
         one("rx_pass_ip_header")},
        {"header of 16 bytes", Packet(ethernet) / Ipv4{.header_words = 4} / Udp{} / memcached / get,
         one("rx_pass_ip_header")},
        {"longer than the frame",
         Packet(ethernet) / Ipv4{.total_length = 20 + 8 + 8 + 9 + 1} / Udp{} / memcached / get,
         one("rx_pass_ip_header")},
        {"shorter than its header",
         Packet(ethernet) / Ipv4{.total_length = 19} / Udp{} / memcached / get,
         one("rx_pass_ip_header")},
        {"IPv6 of version 4", Packet(ethernet) / Ipv6{.version = 4} / Udp{} / memcached / get,
         one("rx_pass_ip_header")},
        {"IPv6 longer than the frame",
         Packet(ethernet) / Ipv6{.payload_length = 8 + 8 + 9 + 1} / Udp{} / memcached / get,
         one("rx_pass_ip_header")},
        {"no checksum", Packet(ethernet) / Ipv4{.checksum = 0} / Udp{} / memcached / get,
         requests("rx_pass_ip_header")},
    };
    const auto good = parse(request(get));
    for (unsigned bit = 0; bit < 16; bit++)
        cases.push_back(
            {"one bit of the checksum wrong",
             Packet(ethernet) /
                 Ipv4{.tos = 0xb8,
                      .id = 0x4242,
                      .ttl = 3,
                      .dont_fragment = true,
                      .checksum = static_cast<std::uint16_t>(*good->ipv4->checksum ^ 1U << bit)} /
                 Udp{} / memcached / get,
             requests("rx_pass_ip_header")});
    expect_all(cases);
}

TEST_F(Pass, SourcesThatTheStackRefuses)
{
    std::vector<Case> cases;

    for (const char *source :
         {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.0.1", "224.0.0.1", "240.0.0.1",
          "255.255.255.255", "10.77.0.1", "10.77.0.9", "10.77.0.255"})
        cases.push_back({source,
                         Packet(ethernet) / Ipv4{.source = source} / Udp{} / memcached / get,
                         requests("rx_pass_address")});
    for (const char *source : {"::", "::1", "ff02::1", "ff0e::1", "fd77::1", "fd77::9"})
        cases.push_back({source,
                         Packet(ethernet) / Ipv6{.source = source} / Udp{} / memcached / get,
                         requests("rx_pass_address")});
    cases.push_back({"source port 0",
                     Packet(ethernet) / Ipv4{} / Udp{.source_port = 0} / memcached / get,
                     requests("rx_pass_address")});
    expect_all(cases);
}

TEST_F(Pass, EthernetAddresses)
{
    std::vector<Case> cases;

    for (std::size_t at = 0; at < 6; at++) {
        Mac other = server_mac;
        other.at(at) ^= 0x10;
        cases.push_back({"another destination",
                         Packet(Ethernet{other, client_mac}) / Ipv4{} / Udp{} / memcached / get,
                         requests("rx_pass_mac")});
    }
    cases.push_back({"broadcast",
                     Packet(Ethernet{mac_of("ff:ff:ff:ff:ff:ff"), client_mac}) / Ipv4{} / Udp{} /
                         memcached / get,
                     requests("rx_pass_mac")});
    cases.push_back({"from a group",
                     Packet(Ethernet{server_mac, mac_of("03:00:00:00:00:02")}) / Ipv4{} / Udp{} /
                         memcached / get,
                     requests("rx_pass_mac")});
    expect_all(cases);
}

// Row 8: frames of VLANs that the host has no device for are not its own.
TEST_F(Pass, VlanTags)
{
    std::vector<Case> cases;

    for (const std::vector<Vlan> &tags :
         std::vector<std::vector<Vlan>>{{Vlan{.id = 6}},
                                        {Vlan{.id = 5, .tpid = 0x88a8}},
                                        {Vlan{.id = 7}, Vlan{.id = 8}},
                                        {Vlan{.id = 4}},
                                        {Vlan{.id = 7}},
                                        {Vlan{.id = 8}},
                                        {Vlan{.id = 0xfff}},
                                        {Vlan{.id = 0}, Vlan{.id = 6}},
                                        {Vlan{.id = 5}, Vlan{.id = 5}},
                                        {Vlan{.id = 5}, Vlan{.id = 8}},
                                        {Vlan{.id = 8}, Vlan{.id = 7}},
                                        {Vlan{.id = 7}, Vlan{.id = 0}},
                                        {Vlan{.id = 7}, Vlan{.id = 9}}}) {
        Packet packet(ethernet);
        for (const Vlan &tag : tags)
            packet /= Layer(tag);
        cases.push_back({"a tag of nobody", packet / Ipv4{} / Udp{} / memcached / get,
                         requests("rx_pass_vlan")});
    }
    expect_all(cases);
}

// Row 22.
TEST_F(Pass, UdpLengths)
{
    constexpr std::uint16_t right = 8 + 8 + 9;
    std::vector<Case> cases;

    for (const std::uint16_t length : {0, 7, 8, 16, right - 1, right + 1, 0xffff}) {
        cases.push_back({"IPv4",
                         Packet(ethernet) / Ipv4{} / Udp{.length = length} / memcached / get,
                         one("rx_pass_udp_length")});
        cases.push_back({"IPv6",
                         Packet(ethernet) / Ipv6{} / Udp{.length = length} / memcached / get,
                         one("rx_pass_udp_length")});
    }
    cases.push_back({"no room for a UDP header",
                     Packet(ethernet) / Ipv4{.protocol = protocol_udp} / Layer(Payload{Bytes(7)}),
                     one("rx_pass_udp_length")});
    cases.push_back({"IP ends in the UDP header",
                     Packet(ethernet) / Ipv4{.total_length = 27} / Udp{} / memcached / get,
                     one("rx_pass_udp_length")});
    cases.push_back({"no UDP header at all", Packet(ethernet) / Ipv4{.protocol = protocol_udp},
                     one("rx_pass_udp_length")});
    expect_all(cases);
}

// Rows 22 and 24.
TEST_F(Pass, Checksums)
{
    const auto v4 = parse(request(get)), v6 = parse(request(get, {.family = Family::ipv6}));

    for (unsigned bit = 0; bit < 16; bit++) {
        const Around wrong4{.udp_checksum =
                                static_cast<std::uint16_t>(*v4->udp.checksum ^ 1U << bit)};
        const Around wrong6{.family = Family::ipv6,
                            .udp_checksum =
                                static_cast<std::uint16_t>(*v6->udp.checksum ^ 1U << bit)};
        expect_pass(dp(), request(get, wrong4), requests("rx_pass_checksum"));
        expect_pass(dp(), request(get, wrong6), requests("rx_pass_checksum"));
    }
    expect_pass(dp(), request(get, {.family = Family::ipv6, .udp_checksum = 0}),
                requests("rx_pass_checksum"));
    // a text that was damaged on the way, sum left as it was
    const Bytes good = request(get);
    for (std::size_t at = 14 + 20 + 8; at < good.size(); at++) {
        Bytes damaged = good;
        damaged[at] ^= 0x20;
        expect_pass(dp(), damaged, requests("rx_pass_checksum"));
    }
    expect_all({});
}

// Row 21.
TEST_F(Pass, FrameHeaders)
{
    std::vector<Case> cases = {
        {"no payload", Packet(ethernet) / Ipv4{} / Udp{}, requests("rx_pass_frame_header")},
        {"header only", Packet(ethernet) / Ipv4{} / Udp{} / memcached,
         requests("rx_pass_frame_header")},
        {"half a header", Packet(ethernet) / Ipv4{} / Udp{} / Layer(Payload{Bytes(4)}),
         requests("rx_pass_frame_header")},
    };
    for (const MemcachedFrame &frame :
         {MemcachedFrame{1, 5, 1, 0}, MemcachedFrame{1, 0, 0, 0}, MemcachedFrame{1, 0, 2, 0},
          MemcachedFrame{1, 0, 1, 0xbeef}, MemcachedFrame{1, 1, 2, 0},
          MemcachedFrame{1, 0, 0x100, 0}, MemcachedFrame{1, 0xffff, 0xffff, 0xffff}})
        cases.push_back({"not 0 of 1", Packet(ethernet) / Ipv4{} / Udp{} / frame / get,
                         requests("rx_pass_frame_header")});
    expect_all(cases);
}

TEST_F(Pass, TooLong)
{
    const auto padded = [](std::size_t length) {
        return "get key" + std::string(length - 8 - 9, ' ') + "\r\n";
    };

    expect_pass(dp(), request(padded(1472)),
                {{"rx_requests", 1}, {"rx_gets", 1}, {"rx_pass_syntax", 1}});
    expect_pass(dp(), request(padded(1473)), requests("rx_pass_too_long"));
    expect_pass(dp(), request(padded(2500)), requests("rx_pass_too_long"));
}

TEST_F(Pass, OtherCommands)
{
    for (const std::string_view text :
         {std::string_view("version\r\n"), std::string_view("gets key\r\n"),
          std::string_view("stats\r\n"), std::string_view("GET key\r\n"),
          std::string_view("get\r\n"), std::string_view("getkey\r\n"), std::string_view("g"),
          std::string_view("\r\n"), std::string_view("flush_all\r\n"),
          std::string_view("\0\0\0\0", 4),
          // a binary get of "key"
          std::string_view("\x80\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x03"
                           "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00key",
                           27)}) {
        SCOPED_TRACE(text);
        expect_pass(dp(), request(text), requests("rx_pass_command"));
    }
    expect_all({});
}

// Row 13, and what else is not the plain form.
TEST_F(Pass, GetsThatAreNotPlain)
{
    const Counts not_plain = get_counts("rx_pass_syntax");

    for (const std::string &text :
         {std::string("get key \r\n"), std::string("get  key\r\n"), std::string("get \r\n"),
          std::string("get key  key\r\n"), std::string("get key\r\r\n"),
          std::string("get key\tx\r\n"), std::string("get key\n\r\n"), std::string("get \tkey\r\n"),
          std::string("get key\0\r\n", 10), std::string("get key key \r\n"),
          "get " + std::string(251, 'k') + "\r\n", "get " + std::string(1400, 'k') + "\r\n",
          "get key " + std::string(251, 'k') + "\r\n", std::string("get key\r\nget key\r\n"),
          std::string("get key\nget key\r\n")}) {
        SCOPED_TRACE(text);
        expect_pass(dp(), request(text), not_plain);
    }
    // no CR LF at the end: not counted as well formed
    for (const std::string_view text :
         {"get key", "get key\n", "get key\r", "get key\n\r", "get key\r\n\n", "get "}) {
        SCOPED_TRACE(text);
        expect_pass(dp(), request(text), requests("rx_pass_syntax"));
    }
    expect_all({});
}

TEST_F(Pass, TooManyKeys)
{
    std::string text = "get";

    for (int i = 0; i < 30; i++)
        text += " key";
    std::string values;
    for (int i = 0; i < 30; i++)
        values += "VALUE key 0 5\r\nvalue\r\n";
    expect_reply(dp(), text + "\r\n", values + "END\r\n");
    expect_pass(dp(), request(text + " key\r\n"), get_counts("rx_pass_keys"));
    for (int i = 0; i < 70; i++)
        text += " key";
    expect_pass(dp(), request(text + "\r\n"), get_counts("rx_pass_keys"));
}

TEST_F(Pass, NoOrigin)
{
    const Counts no_origin = get_counts("rx_pass_origin");

    for (__u32 endpoint = 0; endpoint < BMC_MAX_ENDPOINTS; endpoint++)
        dp().remove_socket(endpoint);
    for (const Family family : {Family::ipv4, Family::ipv6})
        for (const std::uint16_t port : {11211, 11311})
            expect_pass(dp(), request(get, {.family = family, .port = port}), no_origin);
}

// Each address and port has a socket of its own; a closed one is out at once.
TEST_F(Pass, OriginAtOneEndpointOnly)
{
    struct Endpoint {
        Family family;
        std::uint16_t port;
        std::uint32_t number;
    };
    const std::vector<Endpoint> endpoints = {
        {Family::ipv4, 11211, bmc_endpoint(0, 0)},
        {Family::ipv4, 11311, bmc_endpoint(0, 1)},
        {Family::ipv6, 11211, bmc_endpoint(BMC_MAX_ADDRESSES, 0)},
        {Family::ipv6, 11311, bmc_endpoint(BMC_MAX_ADDRESSES, 1)},
    };
    const auto expect_hits_at = [&](const Endpoint *only) {
        for (const Endpoint &each : endpoints) {
            const Around around{.family = each.family, .port = each.port};
            if (&each == only)
                expect_reply(dp(), get, "VALUE key 0 5\r\nvalue\r\nEND\r\n", around);
            else
                expect_pass(dp(), request(get, around), get_counts("rx_pass_origin"));
            dp().counts();
        }
    };

    for (__u32 endpoint = 0; endpoint < BMC_MAX_ENDPOINTS; endpoint++)
        dp().remove_socket(endpoint);
    for (const Endpoint &each : endpoints) {
        Fd socket = udp_socket();

        dp().set_socket(each.number, socket.get());
        expect_hits_at(&each);
        socket.close();
        expect_hits_at(nullptr);
    }
}

TEST_F(Pass, FlushInProgress)
{
    for (const std::uint64_t generation : {1, 3, 0x7fffffff}) {
        dp().control().generation = generation;
        expect_pass(dp(), request(get), get_counts("rx_pass_generation"));
    }
    dp().control().generation = 2;
    expect_all({});
}

TEST_F(Pass, StageThatIsNotThere)
{
    dp().remove_stage(request_stages(), 1);
    expect_pass(dp(), request("set key 0 0 1\r\nx\r\n"), requests("rx_pass_tail_call"));
    expect_pass(dp(), request("get key \r\n"), get_counts("rx_pass_tail_call"));
    dp().remove_stage(request_stages(), 0);
    expect_pass(dp(), request("get key key\r\n"), get_counts("rx_pass_tail_call"));
}

// Counts that do not fit the maps: nobody reads beside them.
TEST_F(Pass, CountsThatDoNotFitTheMaps)
{
    bool seen = false;

    dp().control().clock_count = 1ULL << 31;
    for (int i = 0; i < 20 && !seen; i++) {
        const std::string key = "other" + std::to_string(i);
        const auto [verdict, frame, handed] = dp().rx(request("get " + key + "\r\n"));
        EXPECT_EQ(verdict, pass_up);
        seen = dp().counts().contains("rx_pass_internal");
    }
    EXPECT_TRUE(seen);
}

TEST_F(BpfTest, ChecksumThatIsLeftToTheDeviceIsTakenOnlyIfConfigured)
{
    // the sum of the pseudo header alone, as a local stack writes it
    const auto partial = [](Family family) {
        const auto good = parse(request("get key\r\n", {.family = family}));
        const Bytes addresses = family == Family::ipv4
                                    ? Bytes{10, 77, 0, 2, 10, 77, 0, 1}
                                    : Bytes{0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
                                            0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        return Around{.family = family,
                      .udp_checksum = internet_sum(
                          addresses, 17U + static_cast<std::uint32_t>(*good->udp.length))};
    };
    Settings strict;
    strict.config.partial_checksums = 0;
    Datapath other(strict);

    for (const Family family : {Family::ipv4, Family::ipv6}) {
        for (Datapath *datapath : {&dp(), &other})
            datapath->fill("key", 0, "value");
        Around around = partial(family);
        const Bytes frame = request("get key\r\n", around);
        expect_pass(other, frame, {{"rx_requests", 1}, {"rx_pass_checksum", 1}});
        EXPECT_EQ(dp().rx(frame).verdict, send_back);
        // one off is wrong in either
        *around.udp_checksum += 1;
        expect_pass(dp(), request("get key\r\n", around),
                    {{"rx_requests", 1}, {"rx_pass_checksum", 1}});
        for (Datapath *datapath : {&dp(), &other})
            datapath->reset();
    }
}

} // namespace
} // namespace bmc::test
