// SPDX-License-Identifier: BSD-3-Clause

// What the kernel answers, and that the answer is right in every byte.
#include "tests/bpf/datapath.h"

#include <cstring>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "tests/harness/error.h"

namespace bmc::test
{
namespace
{

using Hit = BpfTest;

constexpr std::size_t payload_max = 1400;  // memcached's UDP_MAX_PAYLOAD_SIZE
constexpr std::size_t text_max = 1475 + 5; // of a reply that the kernel gives

/// Expects a reply of two datagrams: XDP hands the request on, and at TC the second
/// is what the packet has become; the first has left by then.
void expect_second(Datapath &datapath, std::string_view line, std::string_view text)
{
    const Bytes frame = request(line);

    datapath.counts();
    const auto out = datapath.rx(frame);
    if (!object_under_test().at_tc) {
        EXPECT_EQ(out.verdict, pass_up);
        EXPECT_TRUE(out.handed);
        EXPECT_EQ(out.frame, frame);
        EXPECT_EQ(datapath.counts(), get_counts("rx_handed"));
        return;
    }
    ASSERT_EQ(out.verdict, send_back) << testing::PrintToString(datapath.counts());
    const auto parsed = parse(out.frame);
    ASSERT_TRUE(parsed);
    ASSERT_EQ(out.frame, reply(text.substr(payload_max - 8), {}, parsed->ipv4->id, 1, 2));
}

// The value that makes the reply to "get <key>" have this much UDP payload.
std::string value_for_payload(std::string_view key, std::size_t payload)
{
    const std::size_t rest = 8 + value_text(key, 0, "").size() + 5;

    for (std::size_t digits = 1; digits <= 4; digits++) {
        const std::size_t length = payload - rest - (digits - 1);
        if (std::to_string(length).size() == digits)
            return std::string(length, 'v');
    }
    throw Error("no value makes such a reply");
}

TEST_F(Hit, SingleKey)
{
    dp().fill("key", 42, "hello world");
    expect_reply(dp(), "get key\r\n", "VALUE key 42 11\r\nhello world\r\nEND\r\n");
    EXPECT_EQ(dp().counts(),
              (Counts{{"rx_requests", 1}, {"rx_gets", 1}, {"hit", 1}, {"hit_keys", 1}}));
}

// Rows 8, 23 and 24: both families, 0 to 2 tags, checksums of all kinds.
TEST_F(Hit, HeadersOfAllKinds)
{
    dp().fill("key", 42, "hello world");
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        for (const std::vector<Vlan> &tags : usual_tags()) {
            for (const std::uint16_t port : {11211, 11311}) {
                for (const std::uint16_t id : {0x0000, 0x0001, 0x00ff, 0xff00, 0xffff}) {
                    SCOPED_TRACE(testing::Message() << tags.size() << " tags, port " << port);
                    expect_reply(dp(), "get key\r\n", "VALUE key 42 11\r\nhello world\r\nEND\r\n",
                                 {family, tags, id, std::nullopt, port});
                }
            }
        }
    }
    expect_reply(dp(), "get key\r\n", "VALUE key 42 11\r\nhello world\r\nEND\r\n",
                 {.udp_checksum = 0}); // IPv4 allows none
}

// Row 24: every request id moves the UDP sum, every reply has its own IP id.
TEST_F(Hit, ChecksumsOverASweepOfIds)
{
    dp().fill("key", 1, std::string("\xff\xff\xff\xff\x00\x00\x01", 7));
    for (const Family family : {Family::ipv4, Family::ipv6})
        for (unsigned id = 0; id < 0x10000; id += 37) {
            expect_reply(dp(), "get key\r\n",
                         "VALUE key 1 7\r\n" + std::string("\xff\xff\xff\xff\x00\x00\x01", 7) +
                             "\r\nEND\r\n",
                         {.family = family, .request_id = static_cast<std::uint16_t>(id)});
            if (HasFatalFailure())
                return;
        }
}

// A sum that comes out as zero is sent as 0xffff: find the request id that does.
TEST_F(Hit, ZeroChecksumIsSentAsAllOnes)
{
    dp().fill("key", 0, "v");
    unsigned found = 0;

    for (unsigned id = 0; id < 0x10000; id++) {
        const Around around{.family = Family::ipv6, .request_id = static_cast<std::uint16_t>(id)};
        const Bytes expected = reply("VALUE key 0 1\r\nv\r\nEND\r\n", around);
        if (expected.at(14 + 40 + 6) != 0xff || expected.at(14 + 40 + 7) != 0xff)
            continue;
        found++;
        expect_reply(dp(), "get key\r\n", "VALUE key 0 1\r\nv\r\nEND\r\n", around);
    }
    EXPECT_GT(found, 0U);
}

// Row 10: every size that takes one datagram, or two, which only TC can send.
TEST_F(Hit, EverySizeOfValue)
{
    unsigned answered = 0, two = 0;

    for (std::size_t length = 0; length <= 1470; length++) {
        std::string value(length, '\0');
        for (std::size_t i = 0; i < length; i++)
            value[i] = static_cast<char>(i * 7 + length);
        const std::string text = value_text("key", 3, value) + "END\r\n";

        dp().reset();
        if (text.size() > text_max) {
            dp().grant_value("key", 3, value);
            dp().tx_reply(text);
            ASSERT_EQ(dp().counts(),
                      (Counts{{"tx_replies", 2}, {"tx_halves", 1}, {"tx_pass_sequence", 1}}));
            expect_pass(dp(), request("get key\r\n"), get_counts("rx_miss"));
            continue;
        }
        dp().fill("key", 3, value);
        if (8 + text.size() > payload_max) {
            expect_second(dp(), "get key\r\n", text);
            ASSERT_FALSE(HasFailure()) << length;
            two++;
            continue;
        }
        expect_reply(dp(), "get key\r\n", text);
        // over IPv6 only what every link takes
        const Around v6{.family = Family::ipv6};
        if (40 + 8 + 8 + text.size() <= 1280)
            expect_reply(dp(), "get key\r\n", text, v6);
        else {
            dp().counts();
            expect_pass(dp(), request("get key\r\n", v6), get_counts("rx_pass_mtu"));
        }
        ASSERT_FALSE(HasFailure()) << length;
        answered++;
    }
    EXPECT_GT(answered, 1350U);
    EXPECT_GT(two, 80U);
}

// A frame that is longer than its packet (Ethernet pads to 60 bytes) shrinks or
// grows as the reply needs.
TEST_F(Hit, PaddedFrames)
{
    dp().fill("key", 0, "value");
    for (const std::size_t size : {60U, 61U, 200U, 1514U, 3000U}) {
        Bytes frame = request("get key\r\n");
        frame.resize(size, 0xee);
        const auto out = dp().rx(frame);
        ASSERT_EQ(out.verdict, send_back) << size;
        const auto parsed = parse(out.frame);
        ASSERT_TRUE(parsed);
        EXPECT_EQ(out.frame, reply("VALUE key 0 5\r\nvalue\r\nEND\r\n", {}, parsed->ipv4->id));
        dp().counts();
        // and what is passed up keeps its padding
        frame = request("get not\r\n");
        frame.resize(size, 0xee);
        expect_pass(dp(), frame, get_counts("rx_miss"));
    }
}

// Rows 9 and 11: the kernel answers all of the keys or none.
TEST_F(Hit, ManyKeys)
{
    std::string line = "get", values;

    for (unsigned i = 0; i < 30; i++) {
        const std::string key = "k" + std::to_string(i), value(i, static_cast<char>('a' + i % 26));
        dp().fill(key, i, value);
    }
    for (unsigned i = 0; i < 30; i++) {
        const std::string key = "k" + std::to_string(i), value(i, static_cast<char>('a' + i % 26));
        line += " " + key;
        values += value_text(key, i, value);
        for (const Family family : {Family::ipv4, Family::ipv6})
            expect_reply(dp(), line + "\r\n", values + "END\r\n", {.family = family});
        EXPECT_EQ(
            dp().counts(),
            (Counts{{"rx_requests", 2}, {"rx_gets", 2}, {"hit", 2}, {"hit_keys", 2ULL * (i + 1)}}));
        // one more that is not there, at any place
        for (const std::string &text :
             {line + " absent\r\n", "get absent" + line.substr(3) + "\r\n"})
            if (i + 1 < 30)
                expect_pass(dp(), request(text), get_counts("rx_miss"));
        ASSERT_FALSE(HasFailure()) << line;
    }
}

TEST_F(Hit, OneKeyManyTimes)
{
    dp().fill("a", 0, "x");
    dp().fill("b", 0, "odd");
    expect_reply(dp(), "get a b a a b\r\n",
                 "VALUE a 0 1\r\nx\r\nVALUE b 0 3\r\nodd\r\nVALUE a 0 1\r\nx\r\n"
                 "VALUE a 0 1\r\nx\r\nVALUE b 0 3\r\nodd\r\nEND\r\n");
}

// Row 12.
TEST_F(Hit, AbsentKeys)
{
    std::string line = "get";

    for (unsigned i = 0; i < 30; i++) {
        const std::string key = "absent" + std::to_string(i);
        dp().grant_absent(key);
        line += " " + key;
        if (HasFailure())
            return;
    }
    // grants may share a place: only those that still stand can be answered
    for (unsigned i = 0; i < 30; i++)
        if (dp().grant("absent" + std::to_string(i)).key_hash !=
            dp().hash("absent" + std::to_string(i)))
            GTEST_FAIL() << "two of the keys share a grant: choose others";
    expect_reply(dp(), line + "\r\n", "END\r\n");
    EXPECT_EQ(dp().counts(),
              (Counts{{"rx_requests", 1}, {"rx_gets", 1}, {"hit", 1}, {"hit_absent_keys", 30}}));
    expect_reply(dp(), "get absent7\r\n", "END\r\n",
                 {.family = Family::ipv6, .tags = usual_tags().back()});
}

TEST_F(Hit, PresentAndAbsentKeys)
{
    dp().fill("here", 5, "x");
    dp().fill("there", 6, "yy");
    dp().grant_absent("nowhere");
    expect_reply(dp(), "get here nowhere there nowhere\r\n",
                 "VALUE here 5 1\r\nx\r\nVALUE there 6 2\r\nyy\r\nEND\r\n");
    EXPECT_EQ(dp().counts(), (Counts{{"rx_requests", 1},
                                     {"rx_gets", 1},
                                     {"hit", 1},
                                     {"hit_keys", 2},
                                     {"hit_absent_keys", 2}}));
    expect_reply(dp(), "get nowhere here\r\n", "VALUE here 5 1\r\nx\r\nEND\r\n");
    expect_pass(dp(), request("get here nowhere unknown\r\n"), get_counts("rx_miss"));
}

// Row 14: short keys and long ones.
TEST_F(Hit, EveryLengthOfKey)
{
    for (std::size_t length = 1; length <= 250; length++) {
        const std::string key(length, static_cast<char>('a' + length % 26));
        dp().reset();
        dp().fill(key, 0, "value");
        expect_reply(dp(), "get " + key + "\r\n", value_text(key, 0, "value") + "END\r\n");
        ASSERT_FALSE(HasFailure()) << length;
    }
}

TEST_F(Hit, ReplyOfExactlyTheLimit)
{
    dp().fill("key", 0, value_for_payload("key", payload_max));
    expect_reply(dp(), "get key\r\n",
                 value_text("key", 0, value_for_payload("key", payload_max)) + "END\r\n");

    // two keys whose reply is as long as allowed, and one byte longer
    const std::string a = value_text("a", 0, std::string(600, 'a'));
    const std::size_t rest = payload_max - 8 - 5 - a.size();
    const std::string b(rest - value_text("b", 0, "").size() - 2, 'b');
    ASSERT_EQ(8 + a.size() + value_text("b", 0, b).size() + 5, payload_max);
    dp().fill("a", 0, std::string(600, 'a'));
    dp().fill("b", 0, b);
    expect_reply(dp(), "get a b\r\n", a + value_text("b", 0, b) + "END\r\n");
    dp().clock("b") += BMC_CLOCK_TICK;
    dp().fill("b", 0, b + "b");
    dp().counts();
    expect_second(dp(), "get a b\r\n", a + value_text("b", 0, b + "b") + "END\r\n");
    expect_second(dp(), "get b a\r\n", value_text("b", 0, b + "b") + a + "END\r\n");
    expect_pass(dp(), request("get key key\r\n"), get_counts("rx_pass_too_large"));
}

TEST_F(Hit, ConfiguredMtu)
{
    Settings narrow;
    narrow.config.mtu = 300;
    Datapath datapath(narrow);

    for (const auto &[family, header] : {std::pair{Family::ipv4, 20U}, {Family::ipv6, 40U}}) {
        datapath.reset();
        datapath.fill("fits", 0, value_for_payload("fits", 300 - header - 8));
        datapath.fill("over", 0, value_for_payload("over", 300 - header - 8 + 1));
        const Around around{.family = family};
        expect_reply(datapath, "get fits\r\n",
                     value_text("fits", 0, value_for_payload("fits", 300 - header - 8)) + "END\r\n",
                     around);
        expect_pass(datapath, request("get over\r\n", around), get_counts("rx_pass_mtu"));
    }
}

// The interface's own MTU as it is now: a test run belongs to the loopback
// device of the caller's network namespace.
TEST_F(Hit, MtuOfTheInterface)
{
    dp().fill("small", 0, std::string(400, 's'));
    dp().fill("large", 0, std::string(800, 'l'));
    const std::string small = value_text("small", 0, std::string(400, 's')) + "END\r\n";
    const std::string large = value_text("large", 0, std::string(800, 'l')) + "END\r\n";

    // a namespace belongs to a thread: this one's ends with it
    std::thread([&] {
        ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << std::strerror(errno);
        const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
        ifreq interface {
        };
        std::strcpy(interface.ifr_name, "lo");
        interface.ifr_mtu = 700;
        const int result = ::ioctl(socket, SIOCSIFMTU, &interface);
        ::close(socket);
        ASSERT_EQ(result, 0) << std::strerror(errno);
        expect_reply(dp(), "get small\r\n", small);
        expect_pass(dp(), request("get large\r\n"), get_counts("rx_pass_mtu"));
        expect_pass(dp(), request("get small large\r\n"), get_counts("rx_pass_mtu"));
    }).join();
    expect_reply(dp(), "get large\r\n", large);
}

// Most rubbish in front of a frame of this length that the test run still takes
// in one piece: then there is no room behind it. Found by a packet of headers
// only, which the programs read in one piece.
std::size_t room_that_leaves_no_tail(Datapath &datapath, std::size_t frame_size)
{
    const Bytes headers = (Packet(Ethernet{server_mac, client_mac}) / Ipv4{} / Udp{}).build();

    for (std::size_t total = 4096; total > frame_size; total--) {
        datapath.counts();
        datapath.rx(headers, std::nullopt, total - headers.size());
        if (datapath.counts().contains("rx_requests"))
            return total - frame_size;
    }
    throw Error("no frame is taken in one piece");
}

// No room behind the packet, as over veth: the reply grows into the room in
// front of it, which holds rubbish.
TEST_F(Hit, RoomInFrontOnly)
{
    const Bytes frame = request("get key\r\n");
    const std::size_t room = room_that_leaves_no_tail(dp(), frame.size());

    for (std::size_t length = 0; length <= 1300; length += length < 200 ? 1 : 50) {
        const std::string value(length, 'v');
        const std::string text = value_text("key", 0, value) + "END\r\n";

        dp().reset();
        dp().fill("key", 0, value);
        const auto out = dp().rx(frame, std::nullopt, room);
        ASSERT_EQ(out.verdict, send_back);
        const auto parsed = parse(out.frame);
        ASSERT_TRUE(parsed);
        ASSERT_EQ(out.frame, reply(text, {}, parsed->ipv4->id)) << length;
    }
    dp().counts();
    const auto out = dp().rx(request("get not\r\n"), std::nullopt, room);
    EXPECT_EQ(out.verdict, pass_up);
    EXPECT_EQ(out.frame, request("get not\r\n"));
}

// Requests and replies that do not lie in one piece, as drivers deliver them
// where the MTU is large (row 30).
TEST_F(Hit, FramesInPieces)
{
    dp().fill("key", 0, "value");
    dp().fill("large", 0, std::string(1000, 'l'));
    const std::string key = value_text("key", 0, "value");
    const std::string large = value_text("large", 0, std::string(1000, 'l'));
    constexpr std::uint32_t headers = 14 + 20 + 8;

    for (const auto &[line, text] : {std::pair{std::string("get key\r\n"), key},
                                     {std::string("get large\r\n"), large},
                                     {std::string("get key large key\r\n"), key + large + key}}) {
        const Bytes frame = request(line);
        for (std::uint32_t linear = headers; linear < frame.size(); linear++) {
            Outcome out;
            try {
                out = dp().rx(frame, linear);
            } catch (const Error &error) {
                GTEST_SKIP() << "this kernel cannot test frames in pieces: " << error.what();
            }
            ASSERT_EQ(out.verdict, send_back) << linear;
            const auto parsed = parse(out.frame);
            ASSERT_TRUE(parsed);
            ASSERT_EQ(out.frame, reply(text + "END\r\n", {}, parsed->ipv4->id)) << linear;
        }
    }
    const Bytes frame = request("get key not\r\n");
    const auto out = dp().rx(frame, headers);
    EXPECT_EQ(out.verdict, pass_up);
    EXPECT_EQ(out.frame, frame);
}

TEST_F(Hit, ValuesOfAllBytes)
{
    std::string all;

    for (int byte = 0; byte < 256; byte++)
        all.push_back(static_cast<char>(byte));
    dp().fill("all", 0xffffffff, all);
    expect_reply(dp(), "get all\r\n", "VALUE all 4294967295 256\r\n" + all + "\r\nEND\r\n");
    dp().fill("tricky", 0, "\r\nEND\r\nVALUE victim 0 4\r\nEVIL\r\n");
    expect_reply(dp(), "get tricky\r\n",
                 "VALUE tricky 0 31\r\n\r\nEND\r\nVALUE victim 0 4\r\nEVIL\r\n\r\nEND\r\n");
    expect_pass(dp(), request("get victim\r\n"), get_counts("rx_miss"));
}

} // namespace
} // namespace bmc::test
