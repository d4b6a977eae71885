// SPDX-License-Identifier: BSD-3-Clause

// Everything that must keep an entry from being served, one at a time.
#include "tests/bpf/datapath.h"

#include <cstring>

#include "bmc/bpf/cache.h"

namespace bmc::test
{
namespace
{

const std::string_view get = "get key\r\n";
const std::string_view answer = "VALUE key 0 5\r\nvalue\r\nEND\r\n";

class Coherence : public BpfTest
{
  protected:
    void SetUp() override
    {
        BpfTest::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        dp().fill("key", 0, "value");
        expect_reply(dp(), get, answer);
    }
};

TEST_F(Coherence, ClockMoved)
{
    const std::uint64_t version = dp().clock("key");

    for (const std::uint64_t step : {2ULL, ~1ULL, 1ULL << 32, 1ULL << 63}) {
        const std::uint64_t other = version + step;
        dp().clock("key") = other;
        expect_pass(dp(), request(get), get_counts("rx_miss_clock"));
    }
    dp().clock("key") = version;
    expect_reply(dp(), get, answer);
    // the clock of another key
    for (std::uint64_t &clock : dp().clocks())
        if (&clock != &dp().clock("key"))
            clock += 7;
    expect_reply(dp(), get, answer);
}

// The visited bit of a clock is no part of the version.
TEST_F(Coherence, HitsMarkTheClockAsVisited)
{
    std::uint64_t &clock = dp().clock("key");
    const std::uint64_t visited = clock;

    EXPECT_EQ(visited & BMC_CLOCK_VISITED, BMC_CLOCK_VISITED);
    expect_reply(dp(), get, answer);
    EXPECT_EQ(clock, visited);
    clock &= ~BMC_CLOCK_VISITED;
    expect_reply(dp(), get, answer);
    EXPECT_EQ(clock, visited);

    // only a hit with a value does
    clock = bmc_clock_version(clock) + BMC_CLOCK_TICK;
    expect_pass(dp(), request(get), get_counts("rx_miss_clock"));
    dp().grant_absent("key");
    expect_reply(dp(), get, "END\r\n");
    dp().fill("key", 0, "value", 1);
    expect_pass(dp(), request(get), get_counts("rx_miss_expired"));
    EXPECT_EQ(clock & BMC_CLOCK_VISITED, 0U);

    // a grant of a visited clock fills
    clock |= BMC_CLOCK_VISITED;
    clock += BMC_CLOCK_TICK;
    dp().fill("key", 0, "value");
    expect_reply(dp(), get, answer);
}

TEST_F(Coherence, GenerationMoved)
{
    for (const std::uint64_t other : {0ULL, 4ULL, 2ULL + (1ULL << 32), 2ULL + (1ULL << 63)}) {
        dp().control().generation = other;
        expect_pass(dp(), request(get), get_counts("rx_miss_generation"));
    }
    dp().control().generation = 3;
    expect_pass(dp(), request(get), get_counts("rx_pass_generation"));
    dp().control().generation = 2;
    expect_reply(dp(), get, answer);
}

// Row 1.
TEST_F(Coherence, DeadlinePassed)
{
    for (const std::uint64_t deadline : {std::uint64_t{0}, std::uint64_t{1}, monotonic_ns()}) {
        dp().clock("key") += BMC_CLOCK_TICK;
        dp().fill("key", 0, "value", deadline);
        expect_pass(dp(), request(get), get_counts("rx_miss_expired"));
    }
    for (const unsigned long long deadline :
         {monotonic_ns() + 3600000000000ULL, BMC_NO_DEADLINE - 1, BMC_NO_DEADLINE}) {
        dp().clock("key") += BMC_CLOCK_TICK;
        dp().fill("key", 0, "value", deadline);
        expect_reply(dp(), get, answer);
    }
}

TEST_F(Coherence, BucketIsBeingWritten)
{
    bmc_bucket bucket = dp().bucket("key");

    bucket.sequence++;
    dp().set_bucket("key", bucket);
    expect_pass(dp(), request(get), get_counts("rx_miss_busy"));
    expect_pass(dp(), request("get key key\r\n"), get_counts("rx_miss_busy"));
    bucket.sequence++;
    dp().set_bucket("key", bucket);
    expect_reply(dp(), get, answer);
}

TEST_F(Coherence, OneKeyOfManyStopsAll)
{
    dp().fill("b", 0, "2");
    dp().fill("c", 0, "3");
    const std::string line = "get key b c\r\n";

    expect_reply(dp(), line,
                 "VALUE key 0 5\r\nvalue\r\nVALUE b 0 1\r\n2\r\nVALUE c 0 1\r\n3\r\nEND\r\n");
    for (const char *key : {"key", "b", "c"}) {
        dp().clock(key) += BMC_CLOCK_TICK;
        expect_pass(dp(), request(line), get_counts("rx_miss_clock"));
        dp().clock(key) -= BMC_CLOCK_TICK;
    }
}

// Absence is believed only as the origin grants it for now.
TEST_F(Coherence, AbsenceNeedsACurrentGrant)
{
    const std::string_view line = "get gone\r\n";
    const auto expect_unknown = [&] { expect_pass(dp(), request(line), get_counts("rx_miss")); };

    expect_unknown();
    dp().grant_absent("gone");
    expect_reply(dp(), line, "END\r\n");
    const bmc_grant good = dp().grant("gone");

    dp().clock("gone") += BMC_CLOCK_TICK;
    expect_unknown();
    dp().clock("gone") -= BMC_CLOCK_TICK;
    dp().control().generation += 2;
    expect_unknown();
    dp().control().generation -= 2;
    expect_reply(dp(), line, "END\r\n");

    // every bit under the check word counts, and none of the others
    for (std::size_t bit = 0; bit < 8 * sizeof(bmc_grant); bit++) {
        bmc_grant bad = good;
        reinterpret_cast<std::uint8_t *>(&bad)[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        dp().grant("gone") = bad;
        if (is_outside_check(bit / 8))
            expect_reply(dp(), line, "END\r\n");
        else
            expect_unknown();
    }
    // a grant of a value is no grant of absence
    dp().grant_value("gone", 0, "");
    expect_unknown();
    // nor is one of another key in the same place
    dp().grant("gone") = good;
    dp().grant("gone").key_hash ^= 1ULL << 40;
    dp().grant("gone").check = bmc_grant_check(&dp().grant("gone"));
    expect_unknown();
}

// A value that was cached and then deleted: the entry is older than the grant.
TEST_F(Coherence, DeletedKeyIsAbsentThoughItsEntryIsThere)
{
    dp().clock("key") += BMC_CLOCK_TICK;
    expect_pass(dp(), request(get), get_counts("rx_miss_clock"));
    dp().grant_absent("key");
    expect_reply(dp(), get, "END\r\n");
    dp().clock("key") += BMC_CLOCK_TICK;
    expect_pass(dp(), request(get), get_counts("rx_miss_clock"));
}

// Row 18: another key with the same bucket and tag, as long or longer or shorter.
TEST_F(Coherence, KeysThatShareATag)
{
    Settings one_bucket;
    one_bucket.buckets = 1;
    Datapath datapath(one_bucket);
    const std::string victim = "user:profile:42";

    // a prefix of the victim's key, the victim with more behind it, one as long
    const std::string stems[] = {"user:profile:42", "user:profile:4", "USER:PROFILE:4"};
    for (const std::string &stem : stems) {
        std::string other;
        for (unsigned i = 0;; i++) {
            other = stem + std::to_string(i);
            if (other != victim &&
                bmc_tag(datapath.hash(other)) == bmc_tag(datapath.hash(victim)) &&
                &datapath.clock(other) != &datapath.clock(victim))
                break;
        }
        SCOPED_TRACE(other);
        datapath.reset();
        datapath.fill(victim, 0, "victim");
        expect_pass(datapath, request("get " + other + "\r\n"), get_counts("rx_miss"));
        expect_reply(datapath, "get " + victim + "\r\n",
                     value_text(victim, 0, "victim") + "END\r\n");
        datapath.fill(other, 0, "other");
        expect_reply(datapath, "get " + other + "\r\n", value_text(other, 0, "other") + "END\r\n");
        datapath.counts();
        expect_pass(datapath, request("get " + victim + "\r\n"), get_counts("rx_miss"));
        EXPECT_EQ(datapath.entries(), 1U);
    }
}

// The head and the text in memory are what is compared, not the tag alone.
TEST_F(Coherence, KeyOfTheEntryIsComparedWhole)
{
    const bmc_bucket good = dp().bucket("key");
    unsigned way = 0;

    while (good.tag[way] == 0)
        way++;
    const std::size_t entry = (good.first[way] - BMC_HEADER_BLOCKS) * std::size_t{BMC_BLOCK_SIZE};
    const auto with_byte = [&](std::size_t at, int change) {
        bmc_bucket bad = good;
        bad.block[0][entry + at] = static_cast<__u8>(bad.block[0][entry + at] + change);
        dp().set_bucket("key", bad);
        expect_pass(dp(), request(get), get_counts("rx_miss"));
    };

    for (std::size_t i = 0; i < 3; i++)
        with_byte(BMC_ENTRY_HEAD + 6 + i, 1);
    with_byte(offsetof(bmc_entry, key_length), 1);
    with_byte(offsetof(bmc_entry, key_length), -1);
    dp().set_bucket("key", good);
    expect_reply(dp(), get, answer);
    for (const std::string_view other : {"get ke\r\n", "get keyy\r\n", "get Key\r\n", "get k\r\n"})
        expect_pass(dp(), request(other), get_counts("rx_miss"));
}

// A start of another origin: new generation, clocks and seed stay.
TEST_F(Coherence, RestartOfTheOriginForgetsAll)
{
    dp().grant_absent("gone");
    dp().remove_socket(0);
    expect_pass(dp(), request(get), get_counts("rx_pass_origin"));
    dp().control().generation++;
    expect_pass(dp(), request(get), get_counts("rx_pass_origin"));
    const Fd socket = udp_socket();
    dp().set_socket(0, socket.get());
    expect_pass(dp(), request(get), get_counts("rx_pass_generation"));
    dp().control().generation++;
    expect_pass(dp(), request(get), get_counts("rx_miss_generation"));
    expect_pass(dp(), request("get gone\r\n"), get_counts("rx_miss"));
    dp().fill("key", 0, "new");
    expect_reply(dp(), get, "VALUE key 0 3\r\nnew\r\nEND\r\n");
}

} // namespace
} // namespace bmc::test
