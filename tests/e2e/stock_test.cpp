// SPDX-License-Identifier: BSD-3-Clause
//
// `bmc run --origin stock` beside the memcached that Debian has: what was there before it,
// what comes and goes meanwhile, and what it leaves.

#include <atomic>
#include <csignal>
#include <deque>
#include <optional>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/fixture.h"
#include "tests/harness/error.h"
#include "tests/harness/wait.h"

namespace bmc::test
{
namespace
{

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

class Stock : public testing::Test
{
  protected:
    void SetUp() override
    {
        require_root();
        if (!IsSkipped() && !HasFatalFailure())
            lab_.emplace();
    }

    const Lab &lab() const { return *lab_; }
    const NetNs &server() const { return lab_->server(); }
    Origin &memcached() { return *memcached_; }
    Cache &cache() { return *cache_; }

    void start_memcached(std::vector<std::string> more = {})
    {
        memcached_.reset();
        memcached_.emplace(server(), Origin::Options{.more = std::move(more), .stock = true});
    }

    /// A short guard: what most tests do, they do one after the other.
    void start_cache(const std::vector<std::string> &more = {}, const std::string &guard = "0.1")
    {
        std::vector<std::string> options = {"--memory", "8M",      "--origin",
                                            "stock",    "--guard", guard};

        options.insert(options.end(), more.begin(), more.end());
        cache_.emplace(server(), lab().name(), std::vector<std::string>{Lab::interface}, options);
    }

    /// Waits until `bmc run` has said this so often.
    void wait_for(const std::string &text, std::size_t times = 1)
    {
        wait_until("bmc run says \"" + text + "\"", [&] {
            std::size_t found = 0;
            const std::string out = cache().process().out();
            for (std::size_t at = out.find(text); at != std::string::npos;
                 at = out.find(text, at + 1))
                found++;
            return found >= times || !cache().process().running();
        });
        EXPECT_THAT(cache().process().out(), HasSubstr(text)) << cache().process().err();
    }

    void wait_until_serving(std::size_t times = 1) { wait_for("serving memcached", times); }

    TcpClient tcp() const { return {lab().client(), {Lab::server4}}; }

    static void store(TcpClient &client, const std::string &key, const std::string &value,
                      int exptime = 0)
    {
        EXPECT_EQ(
            client.ask(fmt::format("set {} 0 {} {}\r\n{}\r\n", key, exptime, value.size(), value)),
            "STORED\r\n");
    }

    /// Whether the kernel answered, and with this.
    bool is_hit(UdpClient &udp, const std::string &key, const std::string &value)
    {
        const Counters before = cache().counters();

        EXPECT_EQ(udp.ask(get(key)).value_or(no_reply), value_reply(key, value));
        return count(grown(before, cache().counters()), "hit") > 0;
    }

    void wait_for_hit(UdpClient &udp, const std::string &key, const std::string &value)
    {
        wait_until("the kernel answers for " + key, [&] { return is_hit(udp, key, value); });
    }

    nlohmann::json status() const
    {
        const Result result = run_bmc({"status", "--json", "--instance", lab().name()}, &server());

        if (result.status != 0)
            throw Error("bmc status: " + result.err);
        return nlohmann::json::parse(result.out).at(0);
    }

  private:
    std::optional<Lab> lab_;
    // In this order: the connections are let go while memcached reads.
    std::optional<Origin> memcached_;
    std::optional<Cache> cache_;
};

TEST_F(Stock, Row17GetsAndGet)
{
    start_memcached();
    start_cache();
    TcpClient client = tcp();
    UdpClient udp(lab().client(), {Lab::server4});
    store(client, "k", "value");
    client.send("gets k\r\n");
    const std::string with_cas = client.read_until("END\r\n");

    EXPECT_NE(with_cas, value_reply("k", "value"));
    wait_for_hit(udp, "k", "value");
    for (int round = 0; round < 3; round++) {
        EXPECT_EQ(udp.ask("gets k\r\n"), with_cas);
        EXPECT_EQ(udp.ask(get("k")), value_reply("k", "value"));
    }
}

TEST_F(Stock, Row26MemcachedStoppedAndStartedEmpty)
{
    start_memcached();
    start_cache();
    UdpClient udp(lab().client(), {Lab::server4});

    for (int round = 1; round <= 3; round++) {
        wait_until_serving(static_cast<std::size_t>(round));
        {
            TcpClient client = tcp();
            store(client, "k", "value");
            wait_for_hit(udp, "k", "value");
        }
        if (round % 2 == 1)
            memcached().stop();
        else
            memcached().kill();
        EXPECT_FALSE(udp.ask(get("k"), 300ms)) << "nobody is there";
        start_memcached();
        EXPECT_EQ(udp.ask(get("k")), "END\r\n");
    }
}

TEST_F(Stock, WaitsForMemcached)
{
    start_cache();
    EXPECT_EQ(status().at("stock").at("phase"), "waiting");
    start_memcached();
    wait_until_serving();
    const auto now = status();
    EXPECT_EQ(now.at("stock").at("phase"), "serving");
    EXPECT_EQ(now.at("stock").at("pid"), memcached().process().pid());
    EXPECT_EQ(now.at("stock").at("guard_s"), 0.1);
    EXPECT_EQ(now.at("without_origin").size(), 0U);
}

TEST_F(Stock, OldConnectionsMustEnd)
{
    start_memcached();
    std::optional<TcpClient> old(tcp());
    store(*old, "k", "old");
    start_cache();
    wait_for("1 connection to memcached cannot be followed (from 10.77.0.2:");
    EXPECT_EQ(status().at("stock").at("connections_blind"), 1);
    UdpClient udp(lab().client(), {Lab::server4});

    for (int i = 0; i < 20; i++)
        EXPECT_FALSE(is_hit(udp, "k", "old"));
    store(*old, "k", "new");
    EXPECT_FALSE(is_hit(udp, "k", "new"));
    old.reset();
    wait_until_serving();
    wait_for_hit(udp, "k", "new");
}

TEST_F(Stock, OldConnectionsAreReset)
{
    start_memcached();
    TcpClient old = tcp();
    store(old, "k", "value");
    start_cache({"--reset-connections"});
    wait_until_serving();
    EXPECT_THROW(old.ask("get k\r\n"), Error);
    UdpClient udp(lab().client(), {Lab::server4});
    TcpClient next = tcp();

    wait_for_hit(udp, "k", "value");
    store(next, "k", "new");
    wait_for_hit(udp, "k", "new");
    EXPECT_EQ(status().at("stock").at("connections_followed"), 1);
}

/* What memcached does with a line that it does not know may differ; that it is lost is
   seen, and it is followed by nothing but a new start. */
TEST_F(Stock, WhatCannotBeFollowedStopsAnswers)
{
    start_memcached();
    start_cache();
    wait_until_serving();
    TcpClient client = tcp();
    UdpClient udp(lab().client(), {Lab::server4});
    store(client, "k", "value");
    wait_for_hit(udp, "k", "value");
    std::optional<TcpClient> odd(tcp());

    EXPECT_EQ(odd->ask("no such command\r\n"), "ERROR\r\n");
    EXPECT_FALSE(is_hit(udp, "k", "value"));
    wait_for("cannot be followed any further");
    store(*odd, "k", "new");
    EXPECT_FALSE(is_hit(udp, "k", "new"));
    odd.reset();
    wait_until_serving(2);
    wait_for_hit(udp, "k", "new");
}

TEST_F(Stock, OldItemsExpire)
{
    constexpr int life = 8;
    start_memcached();
    {
        TcpClient client = tcp();
        store(client, "stays", "value");
        store(client, "goes", "value", life);
        store(client, "goes-at", "value", static_cast<int>(std::time(nullptr)) + life);
    }
    const auto stored = std::chrono::steady_clock::now();
    start_cache();
    wait_for("exptimes of 3 items read");
    UdpClient udp(lab().client(), {Lab::server4});
    wait_for_hit(udp, "stays", "value");

    std::this_thread::sleep_until(stored + std::chrono::seconds(life) + 1500ms);
    EXPECT_EQ(udp.ask(get("goes")), "END\r\n");
    EXPECT_EQ(udp.ask(get("goes-at")), "END\r\n");
    wait_for_hit(udp, "stays", "value");
}

TEST_F(Stock, OldFlushComes)
{
    constexpr int delay = 6;
    start_memcached();
    {
        TcpClient client = tcp();
        store(client, "k", "value");
        EXPECT_EQ(client.ask(fmt::format("flush_all {}\r\n", delay)), "OK\r\n");
    }
    const auto sent = std::chrono::steady_clock::now();
    start_cache();
    wait_until_serving();
    UdpClient udp(lab().client(), {Lab::server4});

    EXPECT_EQ(udp.ask(get("k")), value_reply("k", "value"));
    while (std::chrono::steady_clock::now() < sent + std::chrono::seconds(delay) + 1500ms)
        udp.ask(get("k"));
    EXPECT_EQ(udp.ask(get("k")), "END\r\n");
}

TEST_F(Stock, ValuesAreUsedForTheRefreshTimeOnly)
{
    start_memcached();
    start_cache({"--refresh", "2"});
    wait_until_serving();
    TcpClient client = tcp();
    UdpClient udp(lab().client(), {Lab::server4});
    store(client, "k", "value");
    wait_for_hit(udp, "k", "value");

    wait_until("a get goes up", [&] { return !is_hit(udp, "k", "value"); });
    wait_for_hit(udp, "k", "value");
}

TEST_F(Stock, WithoutADumpTheAgeIsBounded)
{
    start_memcached({"-X"});
    start_cache({"--max-age", "2"});
    wait_for("values up to 2 s old");
    TcpClient client = tcp();
    UdpClient udp(lab().client(), {Lab::server4});
    store(client, "k", "value");
    wait_for_hit(udp, "k", "value");
    wait_until("a get goes up", [&] { return !is_hit(udp, "k", "value"); });
}

TEST_F(Stock, SaysThatMemcachedDoesNotTellExptimes)
{
    start_memcached({"-X"});
    start_cache();
    wait_for("--max-age");
    EXPECT_EQ(status().at("stock").at("phase"), "waiting");
}

/* Killed, it leaves a cache that works, or serves nothing; what comes next puts it right. */
TEST_F(Stock, RunIsKilled)
{
    start_memcached();
    start_cache();
    wait_until_serving();
    TcpClient client = tcp();
    UdpClient udp(lab().client(), {Lab::server4});
    store(client, "k", "old");
    wait_for_hit(udp, "k", "old");
    cache().process().signal(SIGKILL);
    cache().process().wait();

    EXPECT_TRUE(is_hit(udp, "k", "old"));
    store(client, "k", "new");
    wait_for_hit(udp, "k", "new");
    EXPECT_EQ(status().at("stock").at("watched"), false);
    {
        TcpClient odd = tcp();
        EXPECT_EQ(odd.ask("no such command\r\n"), "ERROR\r\n");
    }
    EXPECT_FALSE(is_hit(udp, "k", "new"));
    memcached().kill();
    start_memcached();
    EXPECT_EQ(udp.ask(get("k")), "END\r\n");

    cache().detach();
    start_cache();
    wait_until_serving();
    TcpClient again = tcp();
    store(again, "k", "newer");
    wait_for_hit(udp, "k", "newer");
}

/*
 * Several clients send SETs without waiting while the cache comes and goes: each gets
 * the answer to each, and every value is as it was sent.
 */
TEST_F(Stock, DetachLosesNoByte)
{
    constexpr std::size_t clients = 4;
    constexpr std::size_t sets = 64; // at a time
    constexpr int rounds = 12;
    start_memcached();
    std::atomic<bool> stop = false;
    std::deque<std::atomic<std::size_t>> done(clients);
    std::deque<std::string> problems(clients);
    std::vector<std::jthread> threads;

    for (std::size_t n = 0; n < clients; n++)
        threads.emplace_back([&, n] {
            const std::string key = fmt::format("key-{}", n);
            while (!stop && problems[n].empty()) {
                try {
                    // Some are made while the cache is there, some are there before it.
                    TcpClient client = tcp();
                    for (int i = 0; i < 10 && !stop; i++) {
                        const std::string value =
                            content(1 + (done[n] * 7) % 3000, static_cast<unsigned>(done[n]));
                        std::string request;
                        for (std::size_t j = 0; j < sets; j++)
                            request += fmt::format("set {} 0 0 {}\r\n{}\r\n", key, value.size(),
                                                   value);
                        client.send(request + get(key));
                        for (std::size_t j = 0; j < sets; j++)
                            if (const auto reply = client.read_line(); reply != "STORED\r\n")
                                throw Error("set: " + reply);
                        const std::string wanted = value_reply(key, value);
                        if (client.read(wanted.size()) != wanted)
                            throw Error("another value");
                        done[n]++;
                    }
                } catch (const std::exception &error) {
                    problems[n] = error.what();
                }
            }
        });

    for (int round = 0; round < rounds; round++) {
        start_cache();
        std::deque<std::size_t> before(done.begin(), done.end());
        wait_until("all clients go on", [&] {
            for (std::size_t n = 0; n < clients; n++)
                if (problems[n].empty() && done[n] < before[n] + 12)
                    return false;
            return true;
        });
        EXPECT_GT(status().at("stock").at("connections_followed"), 0);
        cache().detach();
    }
    stop = true;
    threads.clear();
    for (const std::string &problem : problems)
        EXPECT_EQ(problem, "");
}

/*
 * What is assumed is that memcached applies a write within half the guard time. This one
 * is stopped for longer, with a write before it: the kernel may answer with the old value
 * until memcached goes on. It is not for this test to say that it does; only that what is
 * answered is the old or the new value, and that the new one is there at the end.
 */
TEST_F(Stock, FrozenMemcachedMayBeAnsweredStale)
{
    start_memcached();
    start_cache({}, "0.2");
    wait_until_serving();
    TcpClient client = tcp();
    UdpClient udp(lab().client(), {Lab::server4});
    store(client, "k", "old");
    wait_for_hit(udp, "k", "old");

    memcached().process().signal(SIGSTOP);
    const Counters before = cache().counters();
    client.send_segment("set k 0 0 3\r\nnew\r\n");
    // The write was seen: the kernel does not answer any more, and memcached does not yet.
    EXPECT_EQ(count(grown(before, cache().counters()), "follow_commands"), 1U);
    const MemcachedFrame frame = {.request_id = udp.next_id()};
    std::this_thread::sleep_for(500ms); // longer than the guard time
    udp.send(frame, get("k"));          // takes a lease: no write within the guard time
    memcached().process().signal(SIGCONT);

    // Nobody knows which of the two memcached reads first.
    const auto reply = udp.receive(reply_limit);
    ASSERT_TRUE(reply);
    EXPECT_THAT(reply->payload,
                testing::AnyOf(value_reply("k", "old"), value_reply("k", "new")));
    EXPECT_EQ(client.read_line(), "STORED\r\n");
    const bool stale = udp.ask(get("k")) == value_reply("k", "old");
    std::printf("memcached answered with the %s value first, then the client saw the %s one\n",
                reply->payload == value_reply("k", "old") ? "old" : "new", stale ? "old" : "new");
    if (stale) {
        EXPECT_EQ(reply->payload, value_reply("k", "old"));
    }
    // The next write ends it.
    store(client, "k", "newer");
    EXPECT_EQ(udp.ask(get("k")), value_reply("k", "newer"));
}

} // namespace
} // namespace bmc::test
