// SPDX-License-Identifier: BSD-3-Clause
//
// What a get over UDP grants.

#include <ctime>
#include <string>

#include <fmt/format.h>

#include "bmc/protocol/udp_frame.h"
#include "memcached-sr/tests/fixture.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

namespace
{

constexpr std::uint64_t second = 1000000000;

std::uint64_t now()
{
    timespec time{};

    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * second +
           static_cast<std::uint64_t>(time.tv_nsec);
}

using Grants = WithMaps;

TEST_F(Grants, SayVersionGenerationAndContent)
{
    store("k", "value", 4294967295);
    expect_value_granted("k", "value", 4294967295);
    EXPECT_EQ(maps().grant("k").deadline_ns, BMC_NO_DEADLINE);

    store("empty", "");
    expect_value_granted("empty", "");
    store("binary", std::string("\r\nEND\r\n\0x", 9));
    expect_value_granted("binary", std::string("\r\nEND\r\n\0x", 9));
}

TEST_F(Grants, EveryKeyOfAMultiGet)
{
    const std::string request = "get a b c\r\n";

    store("a", "1");
    store("c", "3");
    EXPECT_EQ(udp().ask(request), "VALUE a 0 1\r\n1\r\nVALUE c 0 1\r\n3\r\nEND\r\n");
    EXPECT_EQ(maps().grant("a").content, maps().content(0, "1"));
    EXPECT_EQ(maps().grant("b").key_hash, maps().hash("b"));
    EXPECT_EQ(maps().grant("b").content, BMC_CONTENT_ABSENT);
    EXPECT_EQ(maps().grant("c").content, maps().content(0, "3"));
}

TEST_F(Grants, OnlyClassicGetsOverUdp)
{
    store("k", "1");
    EXPECT_NE(expect_no_grant("gets k\r\n", "k").find("VALUE k 0 1 "), std::string::npos);
    EXPECT_EQ(expect_no_grant("gat 0 k\r\n", "k"), "VALUE k 0 1\r\n1\r\nEND\r\n");
    EXPECT_EQ(expect_no_grant("mg k v\r\n", "k"), "VA 1\r\n1\r\n");
    EXPECT_EQ(expect_no_grant("mg absent v\r\n", "absent"), "EN\r\n");

    maps().clear_grant("k");
    expect_tcp("get k\r\n", "VALUE k 0 1\r\n1\r\nEND\r\n");
    EXPECT_EQ(maps().grant("k").check, 0U);
}

TEST_F(Grants, NotForKeysThatAreTooLong)
{
    const std::string longest(250, 'k');

    expect_absence_granted(longest);
    EXPECT_EQ(expect_no_grant("get " + longest + "k\r\n", longest + "k"),
              "CLIENT_ERROR bad command line format\r\n");
}

TEST_F(Grants, NotForValuesThatTheKernelHasNoRoomFor)
{
    // "VALUE k 0 1457" CR LF, the value, CR LF.
    const std::string fits(BMC_REPLY_TEXT_MAX - 16 - 2, 'x');

    ASSERT_EQ(fits.size(), 1457U);
    store("k", fits);
    expect_value_granted("k", fits); // two datagrams
    store("k", fits + "x");
    EXPECT_NE(expect_no_grant("get k\r\n", "k"), "no reply");
}

TEST_F(Grants, NotForItemsInChunks)
{
    start_origin({"-o", "slab_chunk_max=1"});
    store("k", std::string(1300, 'x')); // fits a datagram, but lies in two places
    EXPECT_EQ(expect_no_grant("get k\r\n", "k"),
              fmt::format("VALUE k 0 1300\r\n{}\r\nEND\r\n", std::string(1300, 'x')));
}

TEST_F(Grants, EndWithTheExptime)
{
    const std::uint64_t before = now();
    store("k", "1", 0, 100);
    expect_value_granted("k", "1");
    const std::uint64_t deadline = maps().grant("k").deadline_ns;

    // memcached counts whole seconds of the clock: it may lag by the second of
    // its timer and the second it is in.
    EXPECT_EQ(deadline % second, second - second / 1000);
    EXPECT_GE(deadline, before + 97 * second);
    EXPECT_LE(deadline, now() + 100 * second);

    expect_tcp("touch k 0\r\n", "TOUCHED\r\n");
    expect_value_granted("k", "1");
    EXPECT_EQ(maps().grant("k").deadline_ns, BMC_NO_DEADLINE);
}

TEST_F(Grants, EndBeforeMemcachedDeniesTheItem)
{
    store("k", "1", 0, 2);
    expect_value_granted("k", "1");
    const std::uint64_t deadline = maps().grant("k").deadline_ns;

    wait_until("the item expires", [this] { return udp().ask("get k\r\n") == "END\r\n"; });
    EXPECT_GT(now(), deadline);
}

// Also if the clock handler does not run then.
TEST_F(Grants, EndWithADelayedFlush)
{
    store("forever", "1");
    store("k", "1", 0, 100);
    expect_tcp("flush_all 1000\r\n", "OK\r\n");
    const std::uint64_t flush = now() + 1000 * second;

    expect_value_granted("forever", "1");
    EXPECT_GE(maps().grant("forever").deadline_ns, flush - 3 * second);
    EXPECT_LE(maps().grant("forever").deadline_ns, flush);
    expect_value_granted("k", "1");
    EXPECT_LE(maps().grant("k").deadline_ns, now() + 100 * second);
    expect_absence_granted("absent");

    // one that is over bounds nothing
    expect_tcp("flush_all\r\n", "OK\r\n");
    wait_until("the flush has no hold on new items", [this] {
        store("new", "1");
        return udp().ask("get new\r\n") == "VALUE new 0 1\r\n1\r\nEND\r\n";
    });
    expect_value_granted("new", "1");
    EXPECT_EQ(maps().grant("new").deadline_ns, BMC_NO_DEADLINE);
}

TEST_F(Grants, NotWhileTheGenerationIsOdd)
{
    // As if a flush_all were between its two steps.
    store("k", "1");
    maps().set_generation(maps().generation() + 1);
    EXPECT_EQ(expect_no_grant("get k\r\n", "k"), "VALUE k 0 1\r\n1\r\nEND\r\n");
    EXPECT_EQ(expect_no_grant("get absent\r\n", "absent"), "END\r\n");
}

TEST_F(Grants, FromEveryWorker)
{
    start_origin({"-t", "4", "-o", "udp_reuseport"});
    store("k", "1");
    for (int i = 0; i < 32; i++) {
        maps().clear_grant("k");
        UdpClient client = Server::udp(); // another flow, another worker
        EXPECT_EQ(client.ask("get k\r\n"), "VALUE k 0 1\r\n1\r\nEND\r\n");
        EXPECT_EQ(maps().grant("k").content, maps().content(0, "1"));
    }
}

} // namespace

} // namespace bmc::test
