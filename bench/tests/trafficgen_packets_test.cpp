// SPDX-License-Identifier: BSD-3-Clause

// The generator's kernel programs, packet by packet.
#include "bench/trafficgen/generator.h"
#include "bench/trafficgen/neighbor.h"
#include "bench/trafficgen/reflect.h"
#include "tests/e2e/fixture.h"
#include "tests/harness/packet.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <cstring>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <set>
#include <string>

namespace trafficgen
{
namespace
{

using bmc::test::Bytes;
using bmc::test::Ethernet;
using bmc::test::Ipv4;
using bmc::test::Ipv6;
using bmc::test::MemcachedFrame;
using bmc::test::Packet;
using bmc::test::Udp;

const std::string client_mac = "02:00:00:00:00:02";
const std::string server_mac = "02:00:00:00:00:01";
constexpr uint16_t first_port = 20000;
constexpr uint16_t port_count = 5;
constexpr uint32_t ifindex = 1;
constexpr uint32_t mtu = 1500;

template <class T>
T value_of(Result<T> result)
{
    if (!result)
        throw std::runtime_error(result.error().line());
    return std::move(*result);
}

struct Outcome {
    uint32_t verdict;
    Bytes frame;
};

Outcome run(int program, const Bytes &frame)
{
    LIBBPF_OPTS(bpf_test_run_opts, options);
    Outcome outcome = {0, Bytes(4096)};

    options.data_in = frame.data();
    options.data_size_in = static_cast<uint32_t>(frame.size());
    options.data_out = outcome.frame.data();
    options.data_size_out = static_cast<uint32_t>(outcome.frame.size());
    options.repeat = 1;
    if (const int code = bpf_prog_test_run_opts(program, &options); code != 0)
        throw std::runtime_error(fmt::format("BPF_PROG_TEST_RUN: {}", std::strerror(-code)));
    outcome.verdict = options.retval;
    outcome.frame.resize(options.data_size_out);
    return outcome;
}

Path make_path(bool ipv6)
{
    Path path;

    path.client_mac = value_of(parse_mac(client_mac));
    path.server_mac = value_of(parse_mac(server_mac));
    path.client = value_of(bmc::parse_address(ipv6 ? "fd77::2" : "10.77.0.2"));
    path.server = value_of(bmc::parse_address(ipv6 ? "fd77::1" : "10.77.0.1"));
    path.server_port = 11211;
    path.first_client_port = first_port;
    path.client_port_count = port_count;
    return path;
}

Content make_content(uint64_t keys, uint32_t key_size)
{
    return value_of(Content::make(keys, key_size, value_of(SizeDistribution::parse("0"))));
}

std::string key(const Content &content, uint64_t index)
{
    std::string text(content.key_size(), '\0');
    content.write_key(index, text.data());
    return text;
}

struct Form {
    bool ipv6;
    uint64_t keys;
    uint32_t key_size;
    uint32_t keys_per_get;
};

std::ostream &operator<<(std::ostream &out, const Form &form)
{
    return out << fmt::format("{}, {} keys of {} bytes, {} a get", form.ipv6 ? "IPv6" : "IPv4",
                              form.keys, form.key_size, form.keys_per_get);
}

class Root : public testing::Test
{
  protected:
    void SetUp() override { bmc::test::require_root(); }
};

class Requests : public Root, public testing::WithParamInterface<Form>
{
};

/// A get's keys.
std::vector<std::string> keys_of(std::string_view text)
{
    std::vector<std::string> keys;

    EXPECT_TRUE(text.starts_with("get ") && text.ends_with("\r\n")) << text;
    text = text.substr(4, text.size() - 6);
    for (size_t begin = 0; begin <= text.size();) {
        const size_t end = std::min(text.find(' ', begin), text.size());
        keys.emplace_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return keys;
}

TEST_P(Requests, AreGetsOfTheKeysDrawn)
{
    const Form form = GetParam();
    const Content content = make_content(form.keys, form.key_size);
    const Path path = make_path(form.ipv6);
    const Request request = value_of(make_request(path, content, form.keys_per_get, mtu));
    // Sample number n is key n * step: any key tells its place in the table.
    const uint64_t step = std::max<uint64_t>(1, form.keys / TRAFFICGEN_SAMPLES);
    const uint64_t places = std::min<uint64_t>(form.keys, TRAFFICGEN_SAMPLES);
    uint64_t drawn = 0;
    const Generator generator = value_of(Generator::load(request, make_sink(path, content), ifindex,
                                                         [&] { return drawn++ % places * step; }));
    EXPECT_EQ(drawn, TRAFFICGEN_SAMPLES);

    std::set<uint16_t> ports;
    std::set<std::string> seen;
    uint64_t asked = 0;
    uint64_t last = 0;
    for (uint16_t id = 0; id < 500; id++) {
        const Outcome made = run(generator.request_program(), Bytes(request.frame.size(), 0xff));
        ASSERT_EQ(made.verdict, XDP_REDIRECT);
        const auto packet = bmc::test::parse(made.frame);
        ASSERT_TRUE(packet);
        EXPECT_EQ(packet->ethernet.source, bmc::test::mac_of(client_mac));
        EXPECT_EQ(packet->ethernet.destination, bmc::test::mac_of(server_mac));
        EXPECT_TRUE(packet->ip_checksum_right);
        EXPECT_TRUE(packet->udp_checksum_right);
        EXPECT_NE(packet->udp.checksum, 0);
        EXPECT_EQ(packet->udp.destination_port, 11211);
        ports.insert(packet->udp.source_port);
        if (form.ipv6) {
            ASSERT_TRUE(packet->ipv6);
            EXPECT_EQ(packet->ipv6->source, "fd77::2");
            EXPECT_EQ(packet->ipv6->destination, "fd77::1");
        } else {
            ASSERT_TRUE(packet->ipv4);
            EXPECT_EQ(packet->ipv4->source, "10.77.0.2");
            EXPECT_EQ(packet->ipv4->destination, "10.77.0.1");
        }

        const Bytes header(packet->payload.begin(), packet->payload.begin() + 8);
        EXPECT_EQ(header, (Bytes{static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id), 0, 0, 0,
                                 1, 0, 0}));
        const auto keys = keys_of(bmc::test::text_of(packet->payload.subspan(8)));
        ASSERT_EQ(keys.size(), form.keys_per_get);
        for (const std::string &text : keys) {
            const size_t digits = std::min(text.find_first_not_of('k'), text.size());
            const uint64_t index = std::stoull(text.substr(digits));
            ASSERT_LT(index, form.keys);
            ASSERT_EQ(text, key(content, index));
            ASSERT_EQ(index % step, 0U);
            // In the order of the table, but for the jumps.
            if (asked++ % TRAFFICGEN_RUN != 0) {
                ASSERT_EQ(index / step, (last + 1) % places);
            }
            last = index / step;
            seen.insert(text);
        }
    }
    EXPECT_EQ(ports.size(), port_count);
    EXPECT_EQ(*ports.begin(), first_port);
    EXPECT_EQ(*ports.rbegin(), first_port + port_count - 1);
    EXPECT_GE(seen.size(), std::min<uint64_t>(form.keys, 400));
}

INSTANTIATE_TEST_SUITE_P(All, Requests,
                         testing::Values(Form{false, 100000, 16, 1}, Form{true, 100000, 16, 1},
                                         Form{false, uint64_t{1} << 32, 17, 3},
                                         Form{true, uint64_t{1} << 32, 10, 8},
                                         Form{false, 10, 1, 64}, Form{true, 1, 1, 1},
                                         Form{false, 1000000, 250, 5}, Form{false, 1, 250, 1}));

TEST(Request, ThatIsTooLongIsRefused)
{
    const Content content = make_content(100, 250);

    EXPECT_TRUE(make_request(make_path(false), content, 5, mtu));
    EXPECT_FALSE(make_request(make_path(false), content, 6, mtu));
    EXPECT_FALSE(make_request(make_path(false), content, 5, 1280));
}

class SinkProgram : public Root
{
  protected:
    static Generator load(bool ipv6)
    {
        const Content content = make_content(100000, 16);
        const Path path = make_path(ipv6);
        return value_of(Generator::load(value_of(make_request(path, content, 1, mtu)),
                                        make_sink(path, content), ifindex, [] { return 0; }));
    }

    static Packet reply4(uint16_t port = first_port, uint16_t from = 11211)
    {
        return Packet(Ethernet{}) / Ipv4{.source = "10.77.0.1", .destination = "10.77.0.2"} /
               Udp{.source_port = from, .destination_port = port};
    }

    static Packet reply6()
    {
        return Packet(Ethernet{}) / Ipv6{.source = "fd77::1", .destination = "fd77::2"} /
               Udp{.source_port = 11211, .destination_port = first_port};
    }
};

const std::string value_reply = "VALUE kkkkkkkkkkk12345 7 2\r\nab\r\nEND\r\n";

TEST_F(SinkProgram, CountsRepliesByKind)
{
    const Generator generator = load(false);
    const MemcachedFrame further{.sequence = 1, .total = 2};
    const std::vector<Bytes> replies = {
        (reply4() / MemcachedFrame{} / value_reply).build(),
        (reply4(first_port + port_count - 1) / MemcachedFrame{} / value_reply).build(),
        (reply4() / MemcachedFrame{} / "END\r\n").build(),
        (reply4() / further / "ab\r\nEND\r\n").build(),
        (reply4() / further / value_reply).build(),
        (reply4() / further / "END\r\n").build(),
        (reply4() / MemcachedFrame{} / "VALUE kkkkkkkkkkk1234 7 2\r\nab\r\nEND\r\n").build(),
        (reply4() / MemcachedFrame{} / "VALUE kkkkkkkkkkk123456 7 2\r\nab\r\nEND\r\n").build(),
        (reply4() / MemcachedFrame{} / "VALUE kkkkkkkkkkk1234x 7 2\r\nab\r\nEND\r\n").build(),
        (reply4() / MemcachedFrame{} / "VALUE xkkkkkkkkkk12345 7 2\r\nab\r\nEND\r\n").build(),
        (reply4() / MemcachedFrame{} / "SERVER_ERROR out of memory\r\n").build(),
        (reply4() / MemcachedFrame{} / "x").build(),
        reply4().build(),
    };
    uint64_t bytes = 0;

    for (const Bytes &reply : replies) {
        EXPECT_EQ(run(generator.sink_program(), reply).verdict, XDP_DROP);
        bytes += reply.size();
    }
    const trafficgen_counters counted = value_of(generator.counters());
    EXPECT_EQ(counted.frames, replies.size());
    EXPECT_EQ(counted.bytes, bytes);
    EXPECT_EQ(counted.values, 2U);
    EXPECT_EQ(counted.ends, 1U);
    EXPECT_EQ(counted.further, 3U);
    EXPECT_EQ(counted.malformed, 4U);
    EXPECT_EQ(counted.other, 3U);
}

TEST_F(SinkProgram, CountsRepliesOverIpv6)
{
    const Generator generator = load(true);

    EXPECT_EQ(
        run(generator.sink_program(), (reply6() / MemcachedFrame{} / value_reply).build()).verdict,
        XDP_DROP);
    EXPECT_EQ(
        run(generator.sink_program(), (reply4() / MemcachedFrame{} / value_reply).build()).verdict,
        XDP_PASS);
    EXPECT_EQ(value_of(generator.counters()).values, 1U);
    EXPECT_EQ(value_of(generator.counters()).frames, 1U);
}

TEST_F(SinkProgram, PassesWhatIsNotForUs)
{
    const Generator generator = load(false);
    const std::vector<Bytes> others = {
        (reply4(first_port - 1) / MemcachedFrame{} / value_reply).build(),
        (reply4(first_port + port_count) / MemcachedFrame{} / value_reply).build(),
        (reply4(first_port, 11212) / MemcachedFrame{} / value_reply).build(),
        (Packet(Ethernet{}) / Ipv4{.source = "10.77.0.3", .destination = "10.77.0.2"} /
         Udp{.source_port = 11211, .destination_port = first_port} / MemcachedFrame{} / value_reply)
            .build(),
        (Packet(Ethernet{}) /
         Ipv4{.source = "10.77.0.1", .destination = "10.77.0.2", .protocol = 6} /
         Udp{.source_port = 11211, .destination_port = first_port} / MemcachedFrame{} / value_reply)
            .build(),
        (reply6() / MemcachedFrame{} / value_reply).build(),
        Bytes(14, 0),
    };

    for (const Bytes &other : others) {
        const Outcome outcome = run(generator.sink_program(), other);
        EXPECT_EQ(outcome.verdict, XDP_PASS);
        EXPECT_EQ(outcome.frame, other);
    }
    EXPECT_EQ(value_of(generator.counters()).frames, 0U);
}

class ReflectProgram : public Root
{
};

TEST_F(ReflectProgram, EchoSwapsAddressesAndPortsAlone)
{
    const Reflect echo = value_of(Reflect::load_echo(11211));
    const Ethernet there{.destination = bmc::test::mac_of(server_mac),
                         .source = bmc::test::mac_of(client_mac)};
    const Ethernet back{.destination = there.source, .source = there.destination};
    const Udp to{.source_port = 20001, .destination_port = 11211};
    const Udp from{.source_port = 11211, .destination_port = 20001};
    const Ipv4 to4{.source = "10.77.0.2", .destination = "10.77.0.1", .tos = 4, .id = 77, .ttl = 9};
    const Ipv4 from4{
        .source = "10.77.0.1", .destination = "10.77.0.2", .tos = 4, .id = 77, .ttl = 9};
    const Ipv6 to6{.source = "fd77::2", .destination = "fd77::1", .hop_limit = 9};
    const Ipv6 from6{.source = "fd77::1", .destination = "fd77::2", .hop_limit = 9};
    const std::string text = "get a\r\n";

    const Outcome four = run(echo.program(), (there / to4 / to / MemcachedFrame{} / text).build());
    EXPECT_EQ(four.verdict, XDP_TX);
    EXPECT_EQ(four.frame, (back / from4 / from / MemcachedFrame{} / text).build());
    const Outcome six = run(echo.program(), (there / to6 / to / MemcachedFrame{} / text).build());
    EXPECT_EQ(six.verdict, XDP_TX);
    EXPECT_EQ(six.frame, (back / from6 / from / MemcachedFrame{} / text).build());
}

TEST_F(ReflectProgram, EchoLeavesTheRestAlone)
{
    const Reflect echo = value_of(Reflect::load_echo(11211));
    const std::vector<Bytes> others = {
        (Ethernet{} / Ipv4{} / Udp{.destination_port = 11212} / "x").build(),
        (Ethernet{} / Ipv6{} / Udp{.destination_port = 53} / "x").build(),
        (Ethernet{} / Ipv4{.options = Bytes(4, 1)} / Udp{} / "x").build(),
        (Ethernet{} / Ipv4{.protocol = 6} / Udp{} / "x").build(),
        Bytes(14, 0),
    };

    for (const Bytes &other : others) {
        const Outcome outcome = run(echo.program(), other);
        EXPECT_EQ(outcome.verdict, XDP_PASS);
        EXPECT_EQ(outcome.frame, other);
    }
}

TEST_F(ReflectProgram, PassPasses)
{
    const Reflect pass = value_of(Reflect::load_pass());
    const Bytes frame = (Ethernet{} / Ipv4{} / Udp{} / "x").build();
    const Outcome outcome = run(pass.program(), frame);

    EXPECT_EQ(outcome.verdict, XDP_PASS);
    EXPECT_EQ(outcome.frame, frame);
}

} // namespace
} // namespace trafficgen
