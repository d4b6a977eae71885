// SPDX-License-Identifier: BSD-3-Clause

// Who is answered (the map `allow`), and how much (the map `budgets`).
#include "tests/bpf/datapath.h"

#include <atomic>
#include <thread>

#include <arpa/inet.h>

namespace bmc::test
{
namespace
{

constexpr std::string_view get = "get key\r\n";
constexpr std::string_view value = "VALUE key 0 5\r\nvalue\r\nEND\r\n";

Around from(const std::string &client)
{
    return {.family = client.find(':') == std::string::npos ? Family::ipv4 : Family::ipv6,
            .client = client};
}

bmc_prefix prefix(const char *address, std::uint32_t length)
{
    bmc_prefix made{};

    made.length = BMC_PREFIX_FAMILY + length;
    made.family = from(address).family == Family::ipv4 ? BMC_FAMILY_IPV4 : BMC_FAMILY_IPV6;
    ::inet_pton(made.family == BMC_FAMILY_IPV4 ? AF_INET : AF_INET6, address, &made.address);
    return made;
}

bmc_source source(const char *address)
{
    const bmc_prefix whole = prefix(address, 0);

    return {whole.family, {whole.address.word[0], whole.address.word[1]}};
}

class Allow : public BpfTest
{
  protected:
    void SetUp() override
    {
        BpfTest::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        Settings settings;
        settings.config.allow_listed = 1;
        listed_.emplace(settings);
        listed_->fill("key", 0, "value");
    }

    void expect_answered(const std::string &client)
    {
        SCOPED_TRACE(client);
        expect_reply(*listed_, get, value, from(client));
    }

    void expect_refused(const std::string &client)
    {
        SCOPED_TRACE(client);
        expect_pass(*listed_, request(get, from(client)), get_counts("rx_pass_source"));
    }

    std::optional<Datapath> listed_;
};

TEST_F(Allow, NobodyOfAnEmptyList)
{
    expect_refused("10.77.0.2");
    expect_refused("fd77::2");
}

TEST_F(Allow, EdgesOfPrefixes)
{
    listed_->allow(prefix("10.77.0.64", 26));
    listed_->allow(prefix("192.0.2.7", 32));
    listed_->allow(prefix("fd77:0:0:8::", 61));
    listed_->allow(prefix("fd99::1", 128));

    for (const char *inside : {"10.77.0.64", "10.77.0.127", "192.0.2.7",
                               "fd77:0:0:8::", "fd77:0:0:f:ffff:ffff:ffff:ffff", "fd99::1"})
        expect_answered(inside);
    for (const char *outside :
         {"10.77.0.63", "10.77.0.128", "11.77.0.64", "192.0.2.6", "192.0.2.8",
          "fd77:0:0:7:ffff:ffff:ffff:ffff", "fd77:0:0:10::", "fd99::", "fd99::2"})
        expect_refused(outside);
}

/* A prefix within another takes nothing away from it. */
TEST_F(Allow, PrefixesWithinEachOther)
{
    listed_->allow(prefix("10.0.0.0", 8));
    listed_->allow(prefix("10.77.4.0", 24));
    listed_->allow(prefix("10.77.4.4", 32));

    for (const char *inside : {"10.77.4.4", "10.77.4.5", "10.77.5.4", "10.0.0.1"})
        expect_answered(inside);
    expect_refused("11.0.0.1");
}

/* One family is not taken for the other, whatever its addresses look like. */
TEST_F(Allow, FamiliesAreApart)
{
    listed_->allow(prefix("0.0.0.0", 0));
    expect_answered("10.77.0.2");
    for (const char *ipv6 : {"fd77::2", "::ffff:10.77.0.2", "a4d:2::"})
        expect_refused(ipv6);

    listed_->allow(prefix("::", 0));
    expect_answered("fd77::2");
}

/* What an earlier packet of the other family has left does not count. */
TEST_F(Allow, OneFamilyBehindTheOther)
{
    listed_->allow(prefix("10.77.0.2", 32));
    listed_->allow(prefix("fd77::", 64));
    for (int i = 0; i < 2; i++) {
        expect_answered("fd77::5");
        expect_answered("10.77.0.2");
        expect_refused("10.77.0.3");
        expect_refused("fd78::5");
    }
}

/* The cache may not keep what others write, whoever they are. */
TEST_F(Allow, WritesOfOthersInvalidate)
{
    listed_->allow(prefix("10.77.0.2", 32));
    expect_answered("10.77.0.2");
    for (const std::string_view text :
         {"set key 0 0 3\r\nnew\r\n", "get other\r\nset key 0 0 3\r\nnew\r\n"}) {
        SCOPED_TRACE(text);
        const std::uint64_t clock = listed_->clock("key");
        listed_->counts();
        listed_->rx(request(text, from("10.77.0.3")));
        EXPECT_EQ(listed_->counts()["rx_pass_write"], 1U);
        EXPECT_GT(listed_->clock("key"), clock);
    }
}

/* Nothing is learned about keys, and none is filled, for whoever gets no answer. */
TEST_F(Allow, GrantsAreNotTakenForOthers)
{
    listed_->leave_value("new", 0, "value");
    expect_pass(*listed_, request("get new\r\n", from("10.77.0.3")), get_counts("rx_pass_source"));
    EXPECT_EQ(listed_->entries(), 1U);
}

class Budget : public BpfTest
{
  protected:
    void SetUp() override
    {
        BpfTest::SetUp();
        if (!IsSkipped() && !HasFatalFailure())
            load(std::uint64_t{1} << 20);
    }

    void load(std::uint64_t budget)
    {
        Settings settings;
        settings.config.budget = budget;
        budget_ = budget;
        limited_.emplace(settings);
        limited_->fill("key", 0, "value");
    }

    /// How much later the bucket is full for IP packets of so many bytes.
    [[nodiscard]] std::uint64_t cost(std::uint64_t bytes) const
    {
        return bytes * BMC_BUDGET_FILL_NS / budget_ + 1;
    }

    /// Fails the test unless this is what was taken from the bucket that was to be full
    /// at `start`, or at any time since if that had come.
    void expect_taken(const bmc_source &client, std::uint64_t start, std::uint64_t used) const
    {
        EXPECT_GE(limited_->full_at(client), start + used);
        EXPECT_LE(limited_->full_at(client), std::max(start, monotonic_ns()) + used);
    }

    static std::uint64_t reply_size(const Around &around = {})
    {
        return reply(value, around).size() - 14;
    }

    std::optional<Datapath> limited_;
    std::uint64_t budget_ = 0;
};

TEST_F(Budget, NewSourceHasAFullBucket)
{
    for (const char *client : {"10.77.0.2", "fd77::2"}) {
        SCOPED_TRACE(client);
        ASSERT_FALSE(limited_->full_at(source(client)));
        const std::uint64_t before = monotonic_ns();
        expect_reply(*limited_, get, value, from(client));
        expect_taken(source(client), before, cost(reply_size(from(client))));
    }
}

TEST_F(Budget, ReplyIsTakenFromTheBucket)
{
    const bmc_source client = source("10.77.0.2");
    const std::uint64_t half = monotonic_ns() + BMC_BUDGET_FILL_NS / 2;

    limited_->set_full_at(client, half);
    expect_reply(*limited_, get, value);
    expect_taken(client, half, cost(reply_size()));
}

/* What XDP leaves to TC ingress is paid for, with the headers of both datagrams. */
TEST_F(Budget, ReplyOfTwoDatagramsIsPaidAtOnce)
{
    const bmc_source client = source("10.77.0.2");
    const std::string large(1430, 'x');
    const std::uint64_t text = value_text("large", 0, large).size() + 5;
    const std::uint64_t half = monotonic_ns() + BMC_BUDGET_FILL_NS / 2;

    ASSERT_GT(text, BMC_DATAGRAM_DATA);
    limited_->fill("large", 0, large);
    limited_->set_full_at(client, half);
    const Outcome outcome = limited_->rx(request("get large\r\n"));
    EXPECT_TRUE(outcome.handed || outcome.verdict == send_back);
    expect_taken(client, half, cost(text + 2 * (20 + 8 + 8)));
}

/* Only what is sent is paid for. */
TEST_F(Budget, MissIsFree)
{
    const bmc_source client = source("10.77.0.2");
    const std::uint64_t half = monotonic_ns() + BMC_BUDGET_FILL_NS / 2;

    limited_->set_full_at(client, half);
    expect_pass(*limited_, request("get other\r\n"), get_counts("rx_miss"));
    EXPECT_EQ(limited_->full_at(client), half);
}

TEST_F(Budget, ExhaustedIsPassedUpAndRefills)
{
    const bmc_source client = source("10.77.0.2");
    const std::uint64_t now = monotonic_ns();
    const std::uint64_t used = cost(reply_size());
    constexpr std::uint64_t ages = 3600 * BMC_BUDGET_FILL_NS;

    /* Just enough for one; time only helps. */
    limited_->set_full_at(client, now + BMC_BUDGET_FILL_NS - used);
    expect_reply(*limited_, get, value);

    limited_->set_full_at(client, now + BMC_BUDGET_FILL_NS + ages);
    expect_pass(*limited_, request(get), get_counts("rx_pass_budget"));
    EXPECT_EQ(limited_->full_at(client), now + BMC_BUDGET_FILL_NS + ages);

    /* As if time had passed: never more than full. */
    for (const std::uint64_t past : {now, now - std::min(now, ages), std::uint64_t{0}}) {
        limited_->set_full_at(client, past);
        const std::uint64_t before = monotonic_ns();
        expect_reply(*limited_, get, value);
        expect_taken(client, before, used);
    }
}

/* As much as a second gives, and no more. */
TEST_F(Budget, BurstOfASecond)
{
    load(BMC_BUDGET_MIN);
    const std::uint64_t burst = BMC_BUDGET_MIN / reply_size();
    std::uint64_t replies = 0;
    const std::uint64_t before = monotonic_ns();

    for (std::uint64_t i = 0; i < 10 * burst; i++)
        replies += limited_->rx(request(get)).verdict == send_back ? 1 : 0;
    const double seconds = 1 + static_cast<double>(monotonic_ns() - before) / BMC_BUDGET_FILL_NS;
    EXPECT_GE(replies, burst - 1);
    EXPECT_LE(static_cast<double>(replies * reply_size()), BMC_BUDGET_MIN * seconds);
}

/* No reply is lost in the sum when CPUs take from one bucket at once. */
TEST_F(Budget, SeveralCpusAtOnce)
{
    load(std::uint64_t{1} << 30);
    const bmc_source client = source("10.77.0.2");
    const Bytes question = request(get);
    /* Ahead of the clock all the time, so that nothing but replies changes it. If that
       fails on a slow machine, it is later than expected, never earlier. */
    const std::uint64_t start = monotonic_ns() + BMC_BUDGET_FILL_NS * 9 / 10;
    std::atomic<std::uint64_t> replies = 0;
    std::vector<std::thread> threads;

    limited_->set_full_at(client, start);
    const int answered = object_under_test().at_tc ? redirect : send_back;
    for (unsigned i = 0; i < std::max(2U, std::thread::hardware_concurrency()); i++)
        threads.emplace_back([&] {
            for (int n = 0; n < 20000; n++)
                if (limited_->rx_verdict(question) == answered)
                    replies++;
        });
    for (std::thread &thread : threads)
        thread.join();

    EXPECT_GT(replies, 0U);
    EXPECT_GE(limited_->full_at(client), start + replies * cost(reply_size()));
}

} // namespace
} // namespace bmc::test
