// SPDX-License-Identifier: BSD-3-Clause
//
// Who is answered by the kernel (--allow), and how much (--budget): everybody else gets
// the same replies from memcached.

#include "tests/e2e/fixture.h"

#include <fmt/format.h>

#include "tests/harness/process.h"

namespace bmc::test
{
namespace
{

/// One more address of the lab's client.
class FurtherAddress
{
  public:
    FurtherAddress(const Lab &lab, std::string address) : lab_(lab), address_(std::move(address))
    {
        change("add");
    }
    ~FurtherAddress() { change("del"); }
    FurtherAddress(const FurtherAddress &) = delete;
    FurtherAddress &operator=(const FurtherAddress &) = delete;

    const std::string &text() const { return address_; }

  private:
    void change(const std::string &what) const
    {
        const bool ipv6 = address_.find(':') != std::string::npos;
        std::vector<std::string> command = {
            "ip", "address", what, address_ + (ipv6 ? "/64" : "/24"), "dev", Lab::interface};

        if (ipv6 && what == "add")
            command.emplace_back("nodad");
        const Result result = run(command, &lab_.client());
        EXPECT_EQ(result.status, 0) << result.err;
    }

    const Lab &lab_;
    const std::string address_;
};

/// The client's usual addresses are in the list, the last ones of it; others of its
/// networks are not.
class Allowed : public E2e
{
  protected:
    std::vector<std::string> attach_options() const override
    {
        return {"--allow", "10.77.0.0/30", std::string(Lab::client6) + "/127"};
    }

    void same_replies_for_all();
};

void Allowed::same_replies_for_all()
{
    const std::string k = cached_key("k", "value");
    const FurtherAddress outside(lab(), ipv6() ? "fd77::4" : "10.77.0.4");
    UdpClient outsider(lab().client(), server(), outside.text());

    for (int i = 0; i < 3; i++) {
        const Counters growth = during([&] {
            EXPECT_EQ(outsider.ask(get(k)).value_or(no_reply), value_reply(k, "value"));
            EXPECT_EQ(outsider.ask(get(k + "-none")).value_or(no_reply), "END\r\n");
        });
        EXPECT_EQ(count(growth, "hit"), 0U);
        EXPECT_EQ(count(growth, "rx_pass_source"), cached() ? 2U : 0U);
        expect_hit(get(k), value_reply(k, "value"));
    }
    /* What others write is seen at once. */
    EXPECT_EQ(outsider.ask("set " + k + " 0 0 3\r\nnew\r\n").value_or(no_reply), "STORED\r\n");
    expect_udp(get(k), value_reply(k, "new"));
}

INSTANTIATE_TEST_SUITE_P(WithoutCache, Allowed, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, Allowed, with_cache, setup_name);

TEST_P(Allowed, SameRepliesForAll)
{
    same_replies_for_all();
}

class AllowedAtTc : public Allowed
{
  protected:
    std::vector<std::string> attach_options() const override
    {
        std::vector<std::string> options = Allowed::attach_options();

        options.insert(options.end(), {"--mode", "tc"});
        return options;
    }
};

INSTANTIATE_TEST_SUITE_P(WithCache, AllowedAtTc, with_cache, setup_name);

TEST_P(AllowedAtTc, SameRepliesForAll)
{
    same_replies_for_all();
}

constexpr std::size_t budget = 8192;

class Budgeted : public E2e
{
  protected:
    std::vector<std::string> attach_options() const override
    {
        return {"--budget", std::to_string(budget)};
    }

    void burst_then_memcached();
};

/* A source that nobody has seen has a second's budget at once. */
void Budgeted::burst_then_memcached()
{
    const std::string value = content(1000, 7);
    const std::string k = key("k");
    const std::string reply = value_reply(k, value);
    const FurtherAddress fresh(lab(), ipv6() ? "fd77:0:0:1::9" : "10.77.0.9");
    constexpr std::size_t headers = 40 + 8 + 8; // no less than those of either family
    /* Larger than what XDP has room for: answered by TC, unless that is the mode. */
    const std::size_t burst = budget / (reply.size() + headers);

    if (ipv6())
        run_checked({"ip", "-6", "route", "add", "fd77:0:0:1::/64", "dev", Lab::interface},
                    &lab().server());
    UdpClient client(lab().client(), server(), fresh.text());
    store(k, value);
    const auto ask = [&] { EXPECT_EQ(client.ask(get(k)).value_or(no_reply), reply); };
    ask(); /* memcached's, who fills the cache */
    for (std::size_t i = 0; i < burst; i++) {
        const Counters growth = during(ask);
        EXPECT_EQ(count(growth, "hit"), cached() ? 1U : 0U) << i;
        EXPECT_EQ(count(growth, "rx_pass_budget"), 0U) << i;
    }
    /* Then most are memcached's; each is the same. */
    const Counters growth = during([&] {
        for (std::size_t i = 0; i < 100 * burst; i++)
            ask();
    });
    if (cached()) {
        EXPECT_GT(count(growth, "rx_pass_budget"), 0U);
        EXPECT_EQ(count(growth, "hit") + count(growth, "rx_pass_budget"), 100 * burst);
    }
    if (ipv6())
        run_checked({"ip", "-6", "route", "del", "fd77:0:0:1::/64", "dev", Lab::interface},
                    &lab().server());
}

INSTANTIATE_TEST_SUITE_P(WithoutCache, Budgeted, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, Budgeted, with_cache, setup_name);

TEST_P(Budgeted, BurstThenMemcached)
{
    burst_then_memcached();
}

class BudgetedAtTc : public Budgeted
{
  protected:
    std::vector<std::string> attach_options() const override
    {
        std::vector<std::string> options = Budgeted::attach_options();

        options.insert(options.end(), {"--mode", "tc"});
        return options;
    }
};

INSTANTIATE_TEST_SUITE_P(WithCache, BudgetedAtTc, with_cache, setup_name);

TEST_P(BudgetedAtTc, BurstThenMemcached)
{
    burst_then_memcached();
}

} // namespace
} // namespace bmc::test
