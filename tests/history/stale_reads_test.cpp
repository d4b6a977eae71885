// SPDX-License-Identifier: BSD-3-Clause
//
// Row 25: one writer stores versions over TCP, readers GET over UDP. A read is
// stale if it returns an older version than one whose STORED had arrived before
// the read was sent.

#include <atomic>
#include <charconv>
#include <cstdio>
#include <deque>
#include <future>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "bmc/lib/scope_guard.h"
#include "tests/e2e/fixture.h"
#include "tests/harness/error.h"
#include "tests/history/connection.h"
#include "tests/history/protocol.h"
#include "tests/history/rig.h"
#include "tests/history/workload.h"

namespace bmc::test::history
{
namespace
{

using namespace std::chrono_literals;

struct Setting {
    const char *name;
    std::size_t keys;
    unsigned workers;
    const char *stock_guard = "";          ///< see Rig::Options
    std::chrono::milliseconds pause{0};    ///< of the writer behind each SET
};

std::ostream &operator<<(std::ostream &out, const Setting &setting)
{
    return out << setting.name;
}

constexpr std::chrono::seconds patience{5};
constexpr std::size_t readers = 3;
constexpr std::size_t gets_per_reader = 60'000;
constexpr std::size_t window = 8; ///< gets of a reader at a time

std::string key_name(std::size_t key)
{
    return fmt::format("versioned-{}", key);
}

class StaleReads : public testing::TestWithParam<Setting>
{
  protected:
    /// Stores the next version of one key.
    void write_one(TcpConnection &connection, std::size_t key)
    {
        const std::uint64_t version = stored_[key] + 1;
        const Command set{
            .verb = Verb::set, .key = key_name(key), .data = fmt::format("version-{}", version)};
        const auto reply = connection.exchange(ascii().request(set), [&](std::string_view text) {
            return ascii().is_whole(set, text);
        });

        if (reply != "STORED\r\n")
            throw Error("set: " + reply.value_or(no_reply));
        stored_[key] = version;
    }

    void read_some(UdpConnection &connection, Random &random)
    {
        std::vector<UdpConnection::Exchange> exchanges(window);
        std::vector<std::size_t> keys(window);
        std::vector<std::uint64_t> oldest(window);

        for (std::size_t i = 0; i < window; i++) {
            keys[i] = random() % stored_.size();
            exchanges[i].request = get(key_name(keys[i]));
            oldest[i] = stored_[keys[i]];
        }
        connection.exchange(exchanges);
        for (std::size_t i = 0; i < window; i++) {
            if (!exchanges[i].reply) {
                lost_++;
                continue;
            }
            const std::uint64_t version = version_of(keys[i], *exchanges[i].reply);
            reads_++;
            if (version < oldest[i] && stale_++ == 0)
                ADD_FAILURE() << key_name(keys[i]) << ": version " << version << " behind "
                              << oldest[i];
        }
    }

    static std::uint64_t version_of(std::size_t key, const std::string &reply)
    {
        constexpr std::string_view label = "version-";
        const auto values = parse_values(reply, false);
        std::uint64_t version = 0;

        if (!values || values->size() != 1 || values->front().key != key_name(key) ||
            !values->front().data.starts_with(label))
            throw Error("get: " + reply);
        const std::string_view number = values->front().data.substr(label.size());
        std::from_chars(number.data(), number.data() + number.size(), version);
        return version;
    }

    std::deque<std::atomic<std::uint64_t>> stored_; // by key, the last version STORED
    std::atomic<std::uint64_t> reads_ = 0;
    std::atomic<std::uint64_t> stale_ = 0;
    std::atomic<std::uint64_t> lost_ = 0;
};

/// Runs `work` in a thread; what it throws comes out of get().
template <typename Work>
std::future<void> in_thread(Work work)
{
    return std::async(std::launch::async, std::move(work));
}

TEST_P(StaleReads, Row25)
{
    require_root();
    if (IsSkipped() || HasFatalFailure())
        return;
    Rig rig({.workers = GetParam().workers,
             .udp_reuseport = GetParam().workers > 1,
             .item_place = 48,
             .memory = "16M",
             .memcached_megabytes = "64",
             .foreground = GetParam().stock_guard[0] != '\0',
             .stock_guard = GetParam().stock_guard});
    const NetNs &client = rig.lab().client();
    Random seeds(seed());
    Random writer_random(seeds());
    TcpConnection writer(client, {Lab::server4}, patience);
    std::atomic<std::size_t> reading = readers;
    std::vector<std::future<void>> threads;

    stored_.resize(GetParam().keys);
    for (std::size_t key = 0; key < stored_.size(); key++)
        write_one(writer, key);
    const Counters before = rig.counters();
    for (std::size_t i = 0; i < readers; i++)
        threads.push_back(in_thread([&, reader_seed = seeds()] {
            const ScopeGuard ended([&] { reading--; });
            UdpConnection connection(client, {Lab::server4}, patience);
            Random random(reader_seed);
            for (std::size_t n = 0; n < gets_per_reader; n += window)
                read_some(connection, random);
        }));
    std::size_t writes = 0;
    for (; reading > 0; writes++) {
        write_one(writer, writer_random() % stored_.size());
        std::this_thread::sleep_for(GetParam().pause);
    }
    for (std::future<void> &thread : threads)
        thread.get();

    const std::uint64_t hits = count(grown(before, rig.counters()), "hit");
    std::printf("%s: %zu writes, %llu reads, %.1f %% of them answered by the kernel, %llu stale\n",
                GetParam().name, writes, static_cast<unsigned long long>(reads_),
                100.0 * static_cast<double>(hits) / static_cast<double>(reads_),
                static_cast<unsigned long long>(stale_));
    EXPECT_EQ(stale_, 0U);
    EXPECT_EQ(lost_, 0U);
    EXPECT_EQ(reads_, readers * gets_per_reader);
    EXPECT_GT(writes, 1000U);
    // Otherwise it shows nothing.
    EXPECT_GT(hits, reads_ / 5);
}

INSTANTIATE_TEST_SUITE_P(Settings, StaleReads,
                         testing::Values(Setting{"OneKeyOneWorker", 1, 1},
                                         Setting{"ManyKeysOneWorker", 1000, 1},
                                         Setting{"OneKeyFourWorkers", 1, 4},
                                         Setting{"ManyKeysFourWorkers", 1000, 4},
                                         // Each key rests for longer than the guard time.
                                         Setting{"StockMemcached", 2000, 4, "1", 2ms}),
                         [](const auto &param_info) { return param_info.param.name; });

} // namespace
} // namespace bmc::test::history
