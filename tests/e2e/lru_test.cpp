// SPDX-License-Identifier: BSD-3-Clause
//
// Row 31: memcached sees nothing of the kernel's hits, and must not evict the keys
// that they are for. Runs without the cache too: what survives then must survive
// with it.

#include <optional>

#include <fmt/format.h>

#include "tests/e2e/fixture.h"

namespace bmc::test
{
namespace
{

constexpr unsigned hot_keys = 100;
constexpr unsigned rounds = 100;
constexpr unsigned cold_keys_per_round = 500; // all together, many times what fits
constexpr std::size_t value_size = 100;

std::string hot(unsigned i)
{
    return fmt::format("hot-{:05}", i);
}

std::string cold(unsigned round, unsigned i)
{
    return fmt::format("cold-{:03}-{:05}", round, i);
}

std::string statistic(TcpClient &tcp, const std::string &name)
{
    tcp.send("stats\r\n");
    const std::string all = tcp.read_until("END\r\n");
    const std::string head = "STAT " + name + " ";
    const std::size_t at = all.find(head);

    return at == std::string::npos
               ? ""
               : all.substr(at + head.size(), all.find('\r', at) - at - head.size());
}

/// With what memcached's lists are kept in order.
struct Lists {
    const char *name;
    std::vector<std::string> options;
    bool cached;
};

std::ostream &operator<<(std::ostream &out, const Lists &lists)
{
    return out << lists.name;
}

class Lru : public testing::TestWithParam<Lists>
{
  protected:
    void SetUp() override
    {
        require_root();
        lab_.emplace();
        if (GetParam().cached)
            cache_.emplace(lab_->server(), lab_->name(), std::vector<std::string>{Lab::interface});
        Origin::Options options{.pins = cache_ ? cache_->pins() : "", .more = {"-m", "2"}};
        options.more.insert(options.more.end(), GetParam().options.begin(),
                            GetParam().options.end());
        origin_.emplace(lab_->server(), options);
        tcp_.emplace(lab_->client(), Endpoint{Lab::server4});
        udp_.emplace(lab_->client(), Endpoint{Lab::server4});
    }

    std::string set(const std::string &key) const
    {
        return fmt::format("set {} 0 0 {} noreply\r\n{}\r\n", key, value_size, value_);
    }

    /// GETs every hot key twice, as memcached takes two to believe that a key is hot.
    /// Those that are answered with their value.
    unsigned read_hot_keys()
    {
        unsigned found = 0;

        for (unsigned i = 0; i < hot_keys; i++)
            for (int twice = 0; twice < 2; twice++) {
                const std::string key = hot(i);
                const auto reply = udp_->ask(get(key));
                EXPECT_TRUE(reply == value_reply(key, value_) || reply == "END\r\n")
                    << key << ": " << reply.value_or(no_reply);
                found += reply == value_reply(key, value_) ? 1 : 0;
            }
        return found;
    }

    const std::string value_ = content(value_size, 31);
    std::optional<Lab> lab_;
    std::optional<Cache> cache_;
    std::optional<Origin> origin_;
    std::optional<TcpClient> tcp_;
    std::optional<UdpClient> udp_;
};

INSTANTIATE_TEST_SUITE_P(, Lru,
                         testing::Values(Lists{"segmented_without_cache", {}, false},
                                         Lists{"segmented_with_cache", {}, true},
                                         Lists{
                                             "flat_with_cache", {"-o", "no_lru_maintainer"}, true}),
                         [](const auto &lists) { return std::string(lists.param.name); });

TEST_P(Lru, Row31HotKeysSurvive)
{
    std::string warm_up;

    for (unsigned i = 0; i < hot_keys; i++)
        warm_up += set(hot(i));
    tcp_->send(warm_up);
    EXPECT_EQ(tcp_->ask("mn\r\n"), "MN\r\n");

    const Counters before = cache_ ? cache_->counters() : Counters{};
    for (unsigned round = 0; round < rounds; round++) {
        std::string churn;

        read_hot_keys();
        for (unsigned i = 0; i < cold_keys_per_round; i++)
            churn += set(cold(round, i));
        tcp_->send(churn);
        ASSERT_EQ(tcp_->ask("mn\r\n"), "MN\r\n");
    }

    if (cache_) {
        const Counters growth = grown(before, cache_->counters());
        EXPECT_GE(count(growth, "hit"), 2 * hot_keys * rounds * 9 / 10);
    }
    // The pressure was real, and the hot keys that memcached itself has are:
    EXPECT_GE(std::stoul(statistic(*tcp_, "evictions")), cold_keys_per_round * rounds / 2);
    unsigned survivors = 0;
    for (unsigned i = 0; i < hot_keys; i++)
        survivors += tcp_->ask("mg " + hot(i) + " s\r\n").substr(0, 2) == "HD" ? 1 : 0;
    EXPECT_EQ(survivors, hot_keys);
    EXPECT_EQ(tcp_->ask("mg " + cold(0, 0) + " s\r\n"), "EN\r\n");
}

} // namespace
} // namespace bmc::test
