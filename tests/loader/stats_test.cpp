// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stats.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <numeric>
#include <set>
#include <sys/file.h>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "bmc/lib/maps.h"
#include "tests/harness/cache.h"
#include "tests/loader/fixture.h"

namespace bmc::test
{
namespace
{

using testing::HasSubstr;
using testing::Not;

/// Above what 32 bits hold, and another for every counter and CPU.
constexpr uint64_t large = uint64_t{1} << 40;

class StatsTest : public LoaderTest
{
  protected:
    void SetUp() override
    {
        LoaderTest::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        cache_.emplace(server(), lab().name() + "-stats", std::vector<std::string>{Lab::interface},
                       std::vector<std::string>{"--memory", "1M"});
    }
    void TearDown() override
    {
        cache_.reset();
        LoaderTest::TearDown();
    }

    /// Gives counter i the value large + i on the first CPU and 1 on all others.
    /// Traffic of the lab itself only touches rx_other.
    void fill_counters() const
    {
        std::vector<bmc_counters> values(static_cast<size_t>(libbpf_num_possible_cpus()));
        for (size_t cpu = 0; cpu < values.size(); cpu++)
            for (size_t i = 0; i < BMC_COUNTER_COUNT; i++)
                values[cpu].value[i] = cpu == 0 ? large + i : 1;
        write_counters(values);
    }

    void write_counters(const std::vector<bmc_counters> &values) const
    {
        const std::string path = cache_->pins() + "/programs/counters";
        const auto map = open_map(path, BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(bmc_counters));

        ASSERT_TRUE(map && write_first(map->get(), path, values.data()));
    }

    static uint64_t expected(size_t counter)
    {
        return large + counter + static_cast<uint64_t>(libbpf_num_possible_cpus()) - 1;
    }

    /// Writes the control map as an origin would.
    void set_generation(uint64_t generation) const
    {
        const std::string path = cache_->pins() + "/control";
        const auto map = open_map(path, BPF_MAP_TYPE_ARRAY, sizeof(bmc_control));
        bmc_control control = {};

        ASSERT_TRUE(map && read_first(*map, path, &control));
        control.generation = generation;
        ASSERT_TRUE(write_first(map->get(), path, &control));
    }

    /// Enters a socket of this process for an endpoint, as an origin would.
    void put_socket(uint32_t endpoint, const Fd &socket) const
    {
        const Fd map(bpf_obj_get((cache_->pins() + "/" BMC_PIN_SOCKETS).c_str()));
        const auto value = static_cast<uint64_t>(socket.get());

        ASSERT_EQ(bpf_map_update_elem(map.get(), &endpoint, &value, BPF_ANY), 0);
    }

    nlohmann::json json() const
    {
        const test::Result result = run_bmc({"stats", "--json", "--instance", cache_->instance()});
        EXPECT_EQ(result.status, 0) << result.err;
        return nlohmann::json::parse(result.out);
    }

    std::string table(const std::vector<std::string> &more = {}) const
    {
        std::vector<std::string> arguments = {"stats", "--instance", cache_->instance()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const test::Result result = run_bmc(arguments);
        EXPECT_EQ(result.status, 0) << result.err;
        return result.out;
    }

    std::optional<Cache> cache_;
};

TEST(CounterInfos, NameEveryCounterOnce)
{
    std::set<std::string_view> names;

    for (const CounterInfo &info : counter_infos) {
        EXPECT_FALSE(info.name.empty());
        EXPECT_FALSE(info.help.empty());
        names.insert(info.name);
    }
    EXPECT_EQ(names.size(), static_cast<size_t>(BMC_COUNTER_COUNT));
    EXPECT_EQ(counter_infos[BMC_COUNTER_hit].name, "hit");
    EXPECT_EQ(counter_infos[BMC_COUNTER_evict_keys].name, "evict_keys");
}

/* Row 34: every counter has 64 bits and is shown under its own name. */
TEST_F(StatsTest, Row34JsonHasEveryCounterWith64Bits)
{
    fill_counters();
    const nlohmann::json counters = json().at("counters");

    ASSERT_EQ(counters.size(), static_cast<size_t>(BMC_COUNTER_COUNT));
    for (size_t i = 0; i < BMC_COUNTER_COUNT; i++) {
        const std::string name(counter_infos[i].name);
        const auto value = counters.at(name).get<uint64_t>();
        EXPECT_GE(value, expected(i)) << name;
        if (i != BMC_COUNTER_rx_other) {
            EXPECT_EQ(value, expected(i)) << name;
        }
    }
}

/* Row 34 */
TEST_F(StatsTest, Row34TableHasEveryCounterInOneGroup)
{
    fill_counters();
    const std::string text = table();

    for (size_t i = 0; i < BMC_COUNTER_COUNT; i++) {
        const std::string name = fmt::format("  {} ", counter_infos[i].name);
        const size_t place = text.find(name);
        ASSERT_NE(place, std::string::npos) << name;
        EXPECT_EQ(text.find(name, place + 1), std::string::npos) << name;
        if (i != BMC_COUNTER_rx_other) {
            EXPECT_THAT(text, HasSubstr(fmt::format("{}{}", expected(i), name)));
        }
        EXPECT_THAT(text, HasSubstr(std::string(counter_infos[i].help)));
    }
    for (const char *title : {"answered by the kernel", "passed up by reason", "misses", "fills"})
        EXPECT_THAT(text, HasSubstr(fmt::format("\n{}\n", title)));
    EXPECT_THAT(text, Not(HasSubstr("\nother\n"))) << "a counter has no group";
}

/* Requests that TC ingress answered are hits too, not more of them. */
TEST_F(StatsTest, TableSaysWhatShareWasAnsweredWhere)
{
    std::vector<bmc_counters> values(static_cast<size_t>(libbpf_num_possible_cpus()));
    values[0].value[BMC_COUNTER_rx_gets] = 200;
    values[0].value[BMC_COUNTER_rx_handed] = 30;
    values[0].value[BMC_COUNTER_hit] = 150;
    values[0].value[BMC_COUNTER_hit_tc] = 25;
    write_counters(values);

    EXPECT_THAT(table(), HasSubstr("75.0 % of 200 get requests answered by the kernel "
                                   "(12.5 % at TC ingress)\n"));
}

TEST_F(StatsTest, TableHidesZerosUnlessAsked)
{
    EXPECT_THAT(table(), Not(HasSubstr("fill_keys")));
    EXPECT_THAT(table({"--all"}), HasSubstr("fill_keys"));
}

TEST_F(StatsTest, JsonDescribesTheInstance)
{
    const nlohmann::json stats = json();

    EXPECT_EQ(stats.at("instance"), cache_->instance());
    EXPECT_EQ(
        stats.at("interfaces"),
        nlohmann::json::array({{{"name", Lab::interface}, {"mode", "native"}, {"tc", "tcx"}}}));
    EXPECT_EQ(stats.at("memory_bytes"), split_memory(min_memory).bytes());
    EXPECT_EQ(stats.at("generation"), 1);
    EXPECT_EQ(stats.at("origin_alive"), false);
}

TEST_F(StatsTest, OriginIsAliveWhileItHoldsTheInstance)
{
    EXPECT_THAT(table(), HasSubstr("no origin"));
    set_generation(uint64_t{1} << 33);
    EXPECT_EQ(json().at("generation"), uint64_t{1} << 33);
    {
        const Fd folder(open(cache_->pins().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        ASSERT_EQ(flock(folder.get(), LOCK_EX | LOCK_NB), 0);
        EXPECT_EQ(json().at("origin_alive"), true);
        EXPECT_THAT(table(), Not(HasSubstr("no origin")));
    }
    EXPECT_EQ(json().at("origin_alive"), false);
}

TEST_F(StatsTest, NamesTheAddressesWithoutASocketOfTheOrigin)
{
    const std::string first = fmt::format("{}:{}", Lab::server4, default_port);
    const auto without_origin = [this] {
        return json().at("without_origin").get<std::vector<std::string>>();
    };
    const size_t all = without_origin().size();
    EXPECT_THAT(without_origin(), testing::Contains(first));

    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
    put_socket(0, socket);
    EXPECT_THAT(without_origin(), Not(testing::Contains(first)));
    EXPECT_EQ(without_origin().size(), all - 1);
    socket.close();
    EXPECT_THAT(without_origin(), testing::Contains(first));
}

TEST_F(StatsTest, MapsOfAnotherLayoutAreRefused)
{
    const std::string path = cache_->pins() + "/control";
    const auto map = open_map(path, BPF_MAP_TYPE_ARRAY, sizeof(bmc_control));
    bmc_control control = {};
    ASSERT_TRUE(map && read_first(*map, path, &control));
    control.layout_version = BMC_LAYOUT_VERSION + 1;
    ASSERT_TRUE(write_first(map->get(), path, &control));

    const test::Result result = run_bmc({"stats", "--instance", cache_->instance()});
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("another version of bmc"));
}

} // namespace
} // namespace bmc::test
