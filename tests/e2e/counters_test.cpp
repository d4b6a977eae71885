// SPDX-License-Identifier: BSD-3-Clause
//
// Row 34: every counter counts what its help text says, once, in 64 bits.

#include <cstring>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "bmc/abi/counters.h"
#include "tests/e2e/wire.h"
#include "tests/harness/error.h"

namespace bmc::test
{
namespace
{

class CountersOf : public WireE2e
{
  protected:
    // Sends, waits for the reply if there will be one, and expects exactly this
    // growth, one ending among it. Address resolution and TCP go on beside the
    // test: packets that are not for us are left out.
    void expect_growth(const Crafted &request, bool replied, const Counters &expected,
                       Where where = Where::current())
    {
        const auto scope = trace(where);
        Counters growth = during([&] {
            send(request);
            if (replied) {
                EXPECT_TRUE(receive(request.id, reply_limit));
            }
        });

        growth.erase("rx_other");
        growth.erase("tx_other");
        EXPECT_EQ(growth, expected);
        EXPECT_EQ(endings(growth), 1U);
    }

    // Ways that a datagram for the origin can end, one each.
    static std::uint64_t endings(const Counters &growth)
    {
        return count(growth, "hit") + count_prefix(growth, "rx_pass_") +
               count_prefix(growth, "rx_miss");
    }

    Crafted with_ip(const Layer &header, const std::string &text)
    {
        return craft(Packet(ethernet()) / header / from_client(), text);
    }
    Crafted with_udp(Udp header, const std::string &text)
    {
        header.source_port = udp().port();
        return craft(Packet(ethernet()) / ip() / header, text);
    }
};

// There is nothing to count without the cache.
INSTANTIATE_TEST_SUITE_P(WithCache, CountersOf, with_cache, setup_name);

TEST_P(CountersOf, Row34HitsAndMisses)
{
    const std::string k = key("k");
    const std::string other = cached_key("other", "value");
    const std::string absent = key("absent");

    store(k, "value");
    expect_growth(
        craft(get(k)), true,
        {{"rx_requests", 1}, {"rx_gets", 1}, {"rx_miss", 1}, {"tx_replies", 1}, {"fill_keys", 1}});
    expect_growth(craft(get(k)), true,
                  {{"rx_requests", 1}, {"rx_gets", 1}, {"hit", 1}, {"hit_keys", 1}});
    expect_growth(craft(get(absent)), true,
                  {{"rx_requests", 1},
                   {"rx_gets", 1},
                   {"rx_miss", 1},
                   {"tx_replies", 1},
                   {"tx_pass_no_value", 1}});
    expect_growth(craft(get(absent)), true,
                  {{"rx_requests", 1}, {"rx_gets", 1}, {"hit", 1}, {"hit_absent_keys", 1}});
    expect_growth(
        craft("get " + k + " " + other + " " + absent + "\r\n"), true,
        {{"rx_requests", 1}, {"rx_gets", 1}, {"hit", 1}, {"hit_keys", 2}, {"hit_absent_keys", 1}});

    // The origin leaves what it stores; other writes make the next get a miss.
    store(k, "new");
    expect_growth(craft("get " + k + " " + other + "\r\n"), true,
                  {{"rx_requests", 1},
                   {"rx_gets", 1},
                   {"hit", 1},
                   {"hit_keys", 2},
                   {"fill_keys", 1},
                   {"fill_grant_keys", 1}});
    expect_tcp("touch " + k + " 0", "TOUCHED");
    expect_growth(craft("get " + k + " " + other + "\r\n"), true,
                  {{"rx_requests", 1},
                   {"rx_gets", 1},
                   {"rx_miss_clock", 1},
                   {"tx_replies", 1},
                   {"fill_keys", 1},
                   {"fill_same_keys", 1}});
    expect_tcp("flush_all", "OK");
    expect_growth(craft(get(k)), true,
                  {{"rx_requests", 1},
                   {"rx_gets", 1},
                   {"rx_miss_generation", 1},
                   {"tx_replies", 1},
                   {"tx_pass_no_value", 1}});
}

TEST_P(CountersOf, Row34PassedUpForTheRequest)
{
    const std::string k = cached_key("k", "value");
    std::string many = "get";

    expect_growth(
        craft("version\r\n"), true,
        {{"rx_requests", 1}, {"rx_pass_command", 1}, {"tx_replies", 1}, {"tx_pass_no_value", 1}});
    expect_growth(craft("get  " + k + "\r\n"), true,
                  {{"rx_requests", 1},
                   {"rx_gets", 1},
                   {"rx_pass_syntax", 1},
                   {"tx_replies", 1},
                   {"fill_same_keys", 1}});
    expect_growth(craft("set " + k + " 0 0 3\r\nnew\r\n"), true,
                  {{"rx_requests", 1},
                   {"rx_pass_write", 1},
                   {"invalidate_keys", 1},
                   {"tx_replies", 1},
                   {"tx_pass_no_value", 1}});
    expect_growth(
        craft("gets " + k + "\r\n"), true,
        {{"rx_requests", 1}, {"rx_pass_command", 1}, {"tx_replies", 1}, {"tx_pass_syntax", 1}});
    for (int i = 0; i < 31; i++)
        many += " " + cached_key("k", "v");
    const Counters growth = during([&] { EXPECT_TRUE(udp().ask(many + "\r\n")); });
    EXPECT_EQ(count(growth, "rx_pass_keys"), 1U);
    EXPECT_EQ(endings(growth), 1U);
}

TEST_P(CountersOf, Row34PassedUpForTheReply)
{
    const std::string a = key("a");
    const std::string b = key("b");
    const std::string value(700, 'x');
    const std::string long_value(1300, 'x');

    for (const std::string &k : {a, b}) {
        store(k, value);
        expect_udp(get(k), value_reply(k, value));
    }
    expect_growth(craft(get(a)), true,
                  {{"rx_requests", 1},
                   {"rx_gets", 1},
                   {"rx_handed", 1},
                   {"hit", 1},
                   {"hit_tc", 1},
                   {"hit_keys", 1}});
    // Two datagrams.
    const Counters both = {{"rx_requests", 1}, {"rx_gets", 1}, {"rx_handed", 1},
                           {"hit", 1},         {"hit_tc", 1},  {"hit_keys", 2}};
    const Counters both_ipv6 = {{"rx_requests", 1}, {"rx_gets", 1},   {"rx_pass_mtu", 1},
                                {"tx_replies", 2},  {"tx_halves", 1}, {"fill_same_keys", 2}};
    expect_growth(craft("get " + a + " " + b + "\r\n"), true, ipv6() ? both_ipv6 : both);
    // Two, and more in the second than fits.
    expect_growth(craft("get " + a + " " + b + " " + a + "\r\n"), true,
                  {{"rx_requests", 1},
                   {"rx_gets", 1},
                   {"rx_pass_too_large", 1},
                   {"tx_replies", 2},
                   {"tx_halves", 1},
                   {"tx_pass_sequence", 1}});
    store(a, long_value);
    expect_udp(get(a), value_reply(a, long_value));
    const Counters one = {{"rx_requests", 1}, {"rx_gets", 1}, {"rx_handed", 1},
                          {"hit", 1},         {"hit_tc", 1},  {"hit_keys", 1}};
    const Counters one_ipv6 = {{"rx_requests", 1},
                               {"rx_gets", 1},
                               {"rx_pass_mtu", 1},
                               {"tx_replies", 1},
                               {"fill_same_keys", 1}};
    expect_growth(craft(get(a)), true, ipv6() ? one_ipv6 : one);
}

TEST_P(CountersOf, Row34PassedUpForTheHeaders)
{
    const std::string k = cached_key("k", "value");
    Ethernet link = ethernet();

    expect_growth(with_udp({.checksum = 1}, get(k)), false,
                  {{"rx_requests", 1}, {"rx_pass_checksum", 1}});
    expect_growth(
        with_ip(ipv6() ? Layer(Ipv6{.source = "::1"}) : Layer(Ipv4{.source = "127.0.0.1"}), get(k)),
        false, {{"rx_requests", 1}, {"rx_pass_address", 1}});
    link.destination = mac_of("02:77:77:77:77:77");
    expect_growth(craft(Packet(link) / ip() / from_client(), get(k)), false,
                  {{"rx_requests", 1}, {"rx_pass_mac", 1}});
    Crafted request = craft(get(k));
    request.frames = {(Packet(ethernet()) / ip() / from_client() /
                       MemcachedFrame{.request_id = request.id, .total = 2} / get(k))
                          .build()};
    expect_growth(request, false, {{"rx_requests", 1}, {"rx_pass_frame_header", 1}});
    if (!ipv6()) {
        expect_growth(with_ip(Ipv4{.checksum = 1}, get(k)), false,
                      {{"rx_requests", 1}, {"rx_pass_ip_header", 1}});
    }
}

// What is not plain IP and UDP names no port: only the reason is counted.
TEST_P(CountersOf, Row34PassedUpBeforeThePort)
{
    const std::string k = cached_key("k", "value");
    const auto length = static_cast<std::uint16_t>(8 + 8 + get(k).size());
    const auto more = static_cast<std::uint16_t>(length + 1);
    const Layer option =
        ipv6() ? Layer(Ipv6{}) : Layer(Ipv4{.options = {1, 1, 1, 0}}); // no operation, end
    Packet headers = Packet(ethernet()) / option;

    if (ipv6())
        headers /= Ipv6Extension{.type = 60};
    headers /= from_client();
    expect_growth(craft(headers, get(k)), true,
                  {{"rx_pass_ip_options", 1}, {"tx_replies", 1}, {"fill_same_keys", 1}});
    expect_growth(with_udp({.length = more}, get(k)), false, {{"rx_pass_udp_length", 1}});
    expect_growth(with_ip(ipv6() ? Layer(Ipv6{.version = 5}) : Layer(Ipv4{.version = 5}), get(k)),
                  false, {{"rx_pass_ip_header", 1}});
    Crafted lone = craft_fragments(get(k), 16);
    lone.frames.resize(1);
    expect_growth(lone, false, {{"rx_pass_fragment", 1}});
}

TEST_P(CountersOf, Row34OfOthers)
{
    const std::string k = cached_key("k", "value");
    const Counters growth = during([&] {
        send(with_udp({.destination_port = 11212}, get(k)));
        send(with_ip(ipv6() ? Layer(Ipv6{.destination = "fd77::99"})
                            : Layer(Ipv4{.destination = "10.77.0.99"}),
                     get(k)));
        ASSERT_TRUE(udp().ask("version\r\n"));
    });

    EXPECT_GE(count(growth, "rx_other"), 2U);
    EXPECT_EQ(count(growth, "rx_requests"), 1U); // for the version
    EXPECT_EQ(endings(growth), 1U);
}

TEST_P(CountersOf, Row34SixtyFourBits)
{
    const std::string k = cached_key("k", "value");
    const Fd map(bpf_obj_get((stand().cache().pins() + "/programs/counters").c_str()));
    const int cpus = libbpf_num_possible_cpus();
    constexpr std::uint64_t full = 0xffffffff;

    ASSERT_TRUE(map);
    ASSERT_GT(cpus, 0);
    std::vector<bmc_counters> values(static_cast<std::size_t>(cpus));
    const std::uint32_t zero = 0;
    for (bmc_counters &value : values)
        value.value[BMC_COUNTER_hit] = full;
    ASSERT_EQ(bpf_map_update_elem(map.get(), &zero, values.data(), BPF_ANY), 0);
    EXPECT_EQ(udp().ask(get(k)), value_reply(k, "value"));
    const Counters after = stand().cache().counters();
    EXPECT_EQ(count(after, "hit"), full * static_cast<unsigned>(cpus) + 1);
    // The others are where they were.
    EXPECT_EQ(count(after, "hit_keys"), 1U);
}

} // namespace
} // namespace bmc::test
