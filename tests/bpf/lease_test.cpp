// SPDX-License-Identifier: BSD-3-Clause

// With a stock memcached: what may be installed, and until when it is served. Each rule
// is shown with what comes past the programs when it is there to forbid a fill.
#include "tests/bpf/datapath.h"

#include <chrono>
#include <cstring>
#include <thread>

#include <bpf/bpf.h>

namespace bmc::test
{
namespace
{

constexpr std::uint64_t guard = BMC_NS_PER_S;

class Leases : public BpfTest
{
  protected:
    void SetUp() override
    {
        BpfTest::SetUp();
        if (!IsSkipped() && !HasFatalFailure())
            dp().reset();
    }

    static Datapath &dp()
    {
        static Datapath datapath({.config = stock(usual_config())});

        return datapath;
    }

    static constexpr Around usual = {.request_id = 1};

    // A get that goes up, for this reason, and what became of its lease.
    static void get(std::string_view key, const std::string &lease = "lease_keys",
                    const std::string &reason = "rx_miss", const Around &around = usual)
    {
        Counts counts = get_counts(reason);
        if (!lease.empty())
            counts[lease] = 1;
        expect_pass(dp(), request("get " + std::string(key) + "\r\n", around), counts);
    }

    // The origin's reply with a value, and what became of that.
    static void answer(std::string_view key, std::string_view value,
                       const std::string &fill = "fill_keys")
    {
        dp().counts();
        dp().tx_reply(value_text(key, 0, value) + "END\r\n");
        EXPECT_EQ(dp().counts(), (Counts{{"tx_replies", 1}, {fill, 1}}));
    }

    static void expect_hit(std::string_view key, std::string_view value)
    {
        expect_reply(dp(), "get " + std::string(key) + "\r\n",
                     value_text(key, 0, value) + "END\r\n");
    }

    static std::uint32_t now_s()
    {
        return static_cast<std::uint32_t>(monotonic_ns() / BMC_NS_PER_S);
    }

    // What `follow` and `filter` note of a write.
    static void write(std::string_view key)
    {
        dp().slot(key).unfillable_until_ns = monotonic_ns() + guard;
        dp().clock(key) += BMC_CLOCK_TICK;
    }
    static void guard_is_over(std::string_view key) { dp().slot(key).unfillable_until_ns = 0; }

    // Makes every lease look so old.
    static void age_leases(std::uint64_t by)
    {
        auto leases = dp().leases();
        for (bmc_lease &lease : leases)
            if (lease.check != 0) {
                lease.time_ns -= by;
                lease.check = bmc_lease_check(&lease);
            }
        dp().set_leases(leases);
    }
};

TEST_F(Leases, AGetIsInstalledAndServed)
{
    for (const std::string_view key : {"k", "key", "key:0123456789"}) {
        get(key);
        answer(key, "value");
        expect_hit(key, "value");
    }
}

TEST_F(Leases, OverIPv6)
{
    get("key", "lease_keys", "rx_miss", {.family = Family::ipv6, .request_id = 1});
    // The reply to somebody with the same port and id over IPv4.
    answer("key", "other", "fill_no_lease_keys");
    Packet packet = Layer(Ethernet{.destination = client_mac, .source = server_mac});
    packet /= Layer(Ipv6{.source = "fd77::1", .destination = "fd77::2"});
    packet /= Layer(Udp{.source_port = 11211, .destination_port = 40000});
    packet /= Layer(MemcachedFrame{});
    packet /= value_text("key", 0, "value") + "END\r\n";
    dp().counts();
    dp().tx(packet.build());
    EXPECT_EQ(dp().counts(), (Counts{{"tx_replies", 1}, {"fill_keys", 1}}));
    expect_hit("key", "value");
}

TEST_F(Leases, OnlyTheReplyToThatGet)
{
    answer("key", "never asked for", "fill_no_lease_keys");
    get("key");
    answer("other", "value", "fill_no_lease_keys");
    for (const Around &other : {Around{.request_id = 2}, Around{.request_id = 0x0100}}) {
        Packet packet = Layer(Ethernet{.destination = client_mac, .source = server_mac});
        packet /= Layer(Ipv4{.source = "10.77.0.1", .destination = "10.77.0.2"});
        packet /= Layer(Udp{.source_port = 11211, .destination_port = 40000});
        packet /= Layer(MemcachedFrame{.request_id = other.request_id});
        packet /= value_text("key", 0, "value") + "END\r\n";
        dp().counts();
        dp().tx(packet.build());
        EXPECT_EQ(dp().counts(), (Counts{{"tx_replies", 1}, {"fill_no_lease_keys", 1}}));
    }
    for (const auto &[server, client, port] : {std::tuple{"10.77.0.9", "10.77.0.2", 40000},
                                               {"10.77.0.1", "10.77.0.3", 40000},
                                               {"10.77.0.1", "10.77.0.2", 40001}}) {
        Packet packet = Layer(Ethernet{.destination = client_mac, .source = server_mac});
        packet /= Layer(Ipv4{.source = server, .destination = client});
        packet /=
            Layer(Udp{.source_port = 11211, .destination_port = static_cast<std::uint16_t>(port)});
        packet /= Layer(MemcachedFrame{});
        packet /= value_text("key", 0, "value") + "END\r\n";
        dp().counts();
        dp().tx(packet.build());
        EXPECT_EQ(dp().counts(), (Counts{{"tx_replies", 1}, {"fill_no_lease_keys", 1}}));
    }
    answer("key", "value");
}

// Without it: the reply to a get that was read before a write, and comes late, would be
// installed at the version behind the write.
TEST_F(Leases, AWriteVoidsTheLease)
{
    get("key");
    write("key");
    answer("key", "old", "fill_stale_keys");
    get("key", "lease_none_keys");
    answer("key", "old", "fill_no_lease_keys");
    guard_is_over("key");
    get("key");
    answer("key", "new");
    expect_hit("key", "new");
}

TEST_F(Leases, AWriteVoidsTheEntry)
{
    get("key");
    answer("key", "old");
    write("key");
    get("key", "lease_none_keys", "rx_miss_clock");
}

// Without it: a get right behind a write, which memcached answers before it applies that.
TEST_F(Leases, NoneWithinTheGuardTimeOfAWrite)
{
    write("key");
    get("key", "lease_none_keys");
    answer("key", "old", "fill_no_lease_keys");
    dp().slot("key").unfillable_until_ns = monotonic_ns() + BMC_NS_PER_S / 1000;
    while (dp().slot("key").unfillable_until_ns >= monotonic_ns())
        ;
    get("key");
}

// Without it: a value that takes longer than the guard time to arrive.
TEST_F(Leases, NoneWhileAValueIsOnItsWay)
{
    dp().slot("key").pending = 1;
    get("key", "lease_none_keys");
    dp().slot("key").pending = 0;
    get("key");
}

// Without it: the second copy of a reply, or what else looks like one, replaces the value.
TEST_F(Leases, UsedOnce)
{
    get("key");
    answer("key", "value");
    answer("key", "other", "fill_no_lease_keys");
    expect_hit("key", "value");
}

// Without it: the reply to the first of two gets is installed as that to the second.
TEST_F(Leases, PoisonedByASecondGetThatLooksTheSame)
{
    get("key");
    get("key", "lease_poisoned_keys");
    answer("key", "of either", "fill_no_lease_keys");
    answer("key", "of either", "fill_no_lease_keys");
    // It stays so for the guard time, counted from the last of them.
    get("key", "lease_poisoned_keys");
    age_leases(guard - BMC_NS_PER_S / 10);
    get("key", "lease_poisoned_keys");
    age_leases(guard);
    get("key");
    answer("key", "value");
    // Another key, client or id is no second one.
    get("a");
    get("b");
    get("a", "lease_keys", "rx_miss", {.request_id = 2});
}

TEST_F(Leases, VoidAfterTheGuardTime)
{
    get("key");
    age_leases(guard);
    answer("key", "late", "fill_no_lease_keys");
}

// Two CPUs write one place at once.
TEST_F(Leases, HalfALeaseIsNone)
{
    get("key");
    const auto whole = dp().leases();
    for (const auto field : {&bmc_lease::version, &bmc_lease::generation, &bmc_lease::time_ns,
                             &bmc_lease::deadline_ns, &bmc_lease::flow, &bmc_lease::key_hash}) {
        auto torn = whole;
        for (bmc_lease &lease : torn)
            if (lease.check != 0)
                lease.*field ^= 2;
        dp().set_leases(torn);
        answer("key", "value", "fill_no_lease_keys");
    }
    dp().set_leases(whole);
    answer("key", "value");
}

TEST_F(Leases, AGenerationAdvanceVoidsLeasesAndEntries)
{
    get("a");
    answer("a", "value");
    get("key");
    dp().control().generation += 2;
    answer("key", "old", "fill_stale_keys");
    get("a", "lease_keys", "rx_miss_generation");
    dp().control().stock.unfillable_until_ns = monotonic_ns() + guard;
    get("key", "lease_none_keys");
    dp().control().stock.unfillable_until_ns = 0;
    get("key");
    answer("key", "new");
    expect_hit("key", "new");
}

TEST_F(Leases, NoneBeforeFillsAreAllowed)
{
    dp().control().stock.fills = 0;
    get("key", "lease_none_keys");
    dp().control().stock.fills = 1;
    get("key");
}

TEST_F(Leases, NoHitWhileAConnectionIsNotFollowed)
{
    get("key");
    answer("key", "value");
    dp().control().stock.untracked = 1;
    get("key", "", "rx_pass_untracked");
    dp().control().stock.covered = 1;
    expect_hit("key", "value");
}

TEST_F(Leases, EntriesAreUsedForTheRefreshTime)
{
    bmc_config config = stock(usual_config());
    config.stock.refresh_ns = BMC_NS_PER_S / 100;
    Datapath datapath({.config = config});

    datapath.rx(request("get key\r\n", usual));
    datapath.tx_reply(value_text("key", 0, "value") + "END\r\n");
    EXPECT_EQ(datapath.counts()["fill_keys"], 1U);
    std::this_thread::sleep_for(std::chrono::milliseconds(11));
    Counts counts = get_counts("rx_miss_expired");
    counts["lease_keys"] = 1;
    expect_pass(datapath, request("get key\r\n", usual), counts);
}

// The deadline of the entry of a key.
std::uint64_t deadline(const Datapath &datapath, std::string_view key)
{
    const bmc_bucket bucket = datapath.bucket(key);

    for (unsigned way = 0; way < BMC_BUCKET_WAYS; way++) {
        if (bucket.tag[way] == 0)
            continue;
        bmc_entry head{};
        std::memcpy(&head, bucket.block[bucket.first[way] - BMC_HEADER_BLOCKS], sizeof head);
        return head.deadline_ns;
    }
    return 0;
}

// Rows 1 and 2: an item expires in a second that is not known exactly.
TEST_F(Leases, ExpiryBoundsTheEntry)
{
    const std::uint32_t now = now_s();
    dp().slot("key").expiries.interval[3] = bmc_interval(now + 20, now + 23);
    dp().slot("key").expiries.interval[1] = bmc_interval(now + 30, now + 33);
    get("key");
    answer("key", "value");
    EXPECT_EQ(deadline(dp(), "key"), (now + 20) * BMC_NS_PER_S);
    expect_hit("key", "value");
}

TEST_F(Leases, NothingIsInstalledWhileAnItemMayExpire)
{
    const std::uint32_t now = now_s();
    dp().slot("key").expiries.interval[0] = bmc_interval(now - 1, now + 30);
    get("key", "lease_none_keys");
    dp().control().stock.flushes.interval[5] = bmc_interval(now, now + 30);
    get("other", "lease_none_keys");
}

// An expiry that is past says nothing of a later one: without the list of them, the
// second of two exptimes of a key would be forgotten.
TEST_F(Leases, ALaterExpiryIsNotForgotten)
{
    const std::uint32_t now = now_s();
    dp().slot("key").expiries.interval[0] = bmc_interval(now - 4, now - 1);
    dp().slot("key").expiries.interval[1] = bmc_interval(now + 5, now + 9);
    get("key");
    answer("key", "value");
    EXPECT_EQ(deadline(dp(), "key"), (now + 5) * BMC_NS_PER_S);
}

TEST_F(Leases, ADelayedFlushBoundsTheEntry)
{
    const std::uint32_t now = now_s();
    dp().control().stock.flushes.interval[0] = bmc_interval(now + 12, now + 15);
    dp().slot("key").expiries.interval[0] = bmc_interval(now + 20, now + 23);
    get("key");
    answer("key", "value");
    EXPECT_EQ(deadline(dp(), "key"), (now + 12) * BMC_NS_PER_S);
}

// A lease that is older than its deadline: the value may have expired since it was read.
TEST_F(Leases, NotInstalledAfterItsDeadline)
{
    get("key");
    auto leases = dp().leases();
    for (bmc_lease &lease : leases)
        if (lease.check != 0) {
            lease.deadline_ns = monotonic_ns();
            lease.check = bmc_lease_check(&lease);
        }
    dp().set_leases(leases);
    answer("key", "expired", "fill_no_lease_keys");
}

// Rows 17 and 19, and replies of two datagrams: what they have in common is not enough
// where no grant tells of the content.
TEST_F(Leases, OtherReplies)
{
    get("key");
    dp().counts();
    dp().tx_reply("VALUE key 0 5 99\r\nvalue\r\nEND\r\n");
    EXPECT_EQ(dp().counts(), (Counts{{"tx_replies", 1}, {"tx_pass_syntax", 1}}));
    dp().tx_reply(value_text("key", 0, std::string(1400, 'x')) + "END\r\n");
    EXPECT_EQ(dp().counts(), (Counts{{"tx_replies", 2}, {"tx_pass_sequence", 2}}));
    dp().tx_reply("END\r\n");
    EXPECT_EQ(dp().counts(), (Counts{{"tx_replies", 1}, {"tx_pass_no_value", 1}}));
    EXPECT_EQ(dp().entries(), 0U);
}

// A get of two keys goes up as a whole, and takes a lease for the first that is missing.
TEST_F(Leases, OneForEachGet)
{
    get("a");
    answer("a", "1");
    Counts counts = get_counts("rx_miss");
    counts["lease_keys"] = 1;
    expect_pass(dp(), request("get a b\r\n", usual), counts);
    dp().counts();
    dp().tx_reply(value_text("a", 0, "1") + value_text("b", 0, "2") + "END\r\n");
    EXPECT_EQ(dp().counts(),
              (Counts{{"tx_replies", 1}, {"fill_keys", 1}, {"fill_no_lease_keys", 1}}));
    expect_hit("b", "2");
}

} // namespace
} // namespace bmc::test
