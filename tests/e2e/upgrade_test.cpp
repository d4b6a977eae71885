// SPDX-License-Identifier: BSD-3-Clause
//
// Upgrades of an instance that is attached, under load.

#include <atomic>
#include <cstdio>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "tests/e2e/fixture.h"
#include "tests/harness/wait.h"

namespace bmc::test
{
namespace
{

constexpr unsigned key_count = 200;

/// A way to attach, and the size of the larger values: those that XDP hands to TC
/// ingress where it can, and small ones where it cannot.
struct Way {
    const char *mode;
    const char *tc;
    std::size_t size;
};

class UnderLoad : public testing::TestWithParam<Way>
{
  protected:
    void SetUp() override { require_root(); }

    static std::string name(unsigned number) { return fmt::format("key-{}", number); }

    static std::string value(unsigned number)
    {
        return content(number % 2 == 0 ? 32 : GetParam().size, number);
    }

    static void fill(const Stand &stand)
    {
        TcpClient tcp(stand.lab().client(), {Lab::server4});
        UdpClient udp(stand.lab().client(), {Lab::server4});

        for (unsigned i = 0; i < key_count; i++) {
            const std::string text = value(i);
            ASSERT_EQ(tcp.ask(fmt::format("set {} 0 0 {}\r\n{}\r\n", name(i), text.size(), text)),
                      "STORED\r\n");
        }
        /* Two keys may share a clock: a store of one makes the entry of the other useless. */
        for (unsigned i = 0; i < key_count; i++)
            ASSERT_EQ(udp.ask(get(name(i))), value_reply(name(i), value(i)));
    }
};

/// Clients that GET all the time and check every reply.
class Readers
{
  public:
    using Ask = std::function<std::string(UdpClient &, unsigned)>;

    /// `check` returns what is wrong with a reply to a GET of the key with this number.
    Readers(const Lab &lab, unsigned number, const Ask &check)
    {
        for (unsigned i = 0; i < number; i++)
            threads_.emplace_back([this, &lab, check, i](const std::stop_token &stop) {
                UdpClient udp(lab.client(), {Lab::server4});
                std::minstd_rand random(i + 1);
                while (!stop.stop_requested()) {
                    const std::string wrong = check(udp, random() % key_count);
                    gets++;
                    if (!wrong.empty()) {
                        const std::lock_guard lock(mutex_);
                        wrong_.push_back(wrong);
                    }
                }
            });
    }

    /// Ends them; what was wrong.
    std::vector<std::string> end()
    {
        threads_.clear();
        return wrong_;
    }

    std::atomic<std::uint64_t> gets = 0;

  private:
    std::mutex mutex_;
    std::vector<std::string> wrong_;
    std::vector<std::jthread> threads_;
};

// Nothing is stored meanwhile, so that the kernel has to answer every single GET.
TEST_P(UnderLoad, EveryGetIsAHit)
{
    constexpr int upgrades = 8;
    constexpr std::uint64_t gets_between = 500;
    Stand stand(true, {"--mode", GetParam().mode, "--tc", GetParam().tc, "--memory", "4M"});
    ASSERT_NO_FATAL_FAILURE(fill(stand));
    const Counters before = stand.cache().counters();

    Readers readers(stand.lab(), 2, [](UdpClient &udp, unsigned number) -> std::string {
        const auto reply = udp.ask(get(name(number)));

        if (!reply)
            return "lost: " + name(number);
        return reply == value_reply(name(number), value(number)) ? "" : "wrong: " + *reply;
    });
    for (int i = 0; i < upgrades; i++) {
        const std::uint64_t until = readers.gets + gets_between;
        wait_until("the readers go on", [&] { return readers.gets > until; });
        // One more is that of the stand.
        EXPECT_NE(stand.cache().upgrade().find(
                      fmt::format("{} entries of the cache were kept", key_count + 1)),
                  std::string::npos);
    }
    for (const std::string &wrong : readers.end())
        ADD_FAILURE() << wrong;

    const Counters growth = grown(before, stand.cache().counters());
    std::printf("%llu GETs during %d upgrades\n",
                static_cast<unsigned long long>(readers.gets.load()), upgrades);
    // Of what TC ingress sees, one in 65536 has a checksum that could be of either kind.
    const std::uint64_t ambiguous = count(growth, "rx_pass_checksum");
    EXPECT_EQ(count(growth, "hit") + ambiguous, readers.gets);
    EXPECT_LT(ambiguous, readers.gets / 1000);
    EXPECT_EQ(count_prefix(growth, "rx_pass_"), ambiguous);
    EXPECT_EQ(count_prefix(growth, "rx_miss"), 0U);
    EXPECT_EQ(count(growth, "fill_keys"), 0U);
    if (std::string(GetParam().mode) == "native") {
        EXPECT_GT(count(growth, "rx_handed"), 0U);
    }
    EXPECT_TRUE(stand.origin().process().running());
}

INSTANTIATE_TEST_SUITE_P(, UnderLoad,
                         testing::Values(Way{"native", "tcx", 500}, Way{"native", "clsact", 500},
                                         Way{"generic", "tcx", 32}, Way{"generic", "clsact", 32},
                                         Way{"tc", "tcx", 500}, Way{"tc", "clsact", 500}),
                         [](const auto &way) {
                             return std::string(way.param.mode) + "_" + way.param.tc;
                         });

class Upgrade : public E2e
{
};

INSTANTIATE_TEST_SUITE_P(WithCache, Upgrade, with_cache_ipv4, setup_name);

// What is read from the host at attach is read anew: here the address of the interface.
TEST_P(Upgrade, SurroundingsAreReadAnew)
{
    const std::string k = cached_key("k", "value");

    run_checked({"ip", "link", "set", "dev", Lab::interface, "address", "02:00:00:77:00:01"},
                &lab().server());
    run_checked({"ip", "neigh", "flush", "all"}, &lab().client());
    expect_no_hit(get(k), value_reply(k, "value"));
    stand().cache().upgrade();
    expect_hit(get(k), value_reply(k, "value"));
}

// The seed of hashes stays, so that what memcached-sr writes still invalidates.
TEST_P(Upgrade, WritesGoOnToInvalidate)
{
    const std::string k = cached_key("k", "old");

    stand().cache().upgrade();
    store(k, "new");
    warm(k, "new");
    expect_tcp("delete " + k, "DELETED");
    expect_udp(get(k), "END\r\n");
}

} // namespace
} // namespace bmc::test
