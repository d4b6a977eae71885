// SPDX-License-Identifier: BSD-3-Clause
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "bmc/abi/bucket.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"
#include "bmc/lib/pins.h"
#include "bmc/lib/status.h"
#include "tests/harness/cache.h"
#include "tests/loader/fixture.h"
#include "tests/loader/stand_in_origin.h"

namespace bmc::test
{
namespace
{

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

class StatusTest : public LoaderTest
{
  protected:
    void SetUp() override
    {
        LoaderTest::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        cache_.emplace(server(), lab().name() + "-status", std::vector<std::string>{Lab::interface},
                       std::vector<std::string>{"--memory", "1M", "--port", "11211", "11212",
                                                "--address", Lab::server4, Lab::server6});
    }
    void TearDown() override
    {
        cache_.reset();
        LoaderTest::TearDown();
    }

    /// `bmc status` of this test's instance.
    std::string text() const
    {
        const test::Result result = run_bmc({"status", "--instance", cache_->instance()});

        EXPECT_EQ(result.status, 0) << result.err;
        return result.out;
    }

    nlohmann::json json() const
    {
        const test::Result result = run_bmc({"status", "--json", "--instance", cache_->instance()});

        EXPECT_EQ(result.status, 0) << result.err;
        const auto all = nlohmann::json::parse(result.out);
        EXPECT_EQ(all.size(), 1U);
        return all.at(0);
    }

    std::optional<Cache> cache_;
};

TEST_F(StatusTest, JsonDescribesTheInstance)
{
    const nlohmann::json status = json();
    const MemorySplit split = split_memory(min_memory);

    EXPECT_EQ(status.at("instance"), cache_->instance());
    EXPECT_EQ(
        status.at("interfaces"),
        nlohmann::json::array({{{"name", Lab::interface}, {"mode", "native"}, {"tc", "tcx"}}}));
    EXPECT_EQ(status.at("ports"), nlohmann::json({11211, 11212}));
    EXPECT_EQ(status.at("addresses"), nlohmann::json({Lab::server4, Lab::server6}));
    EXPECT_TRUE(status.at("allow").is_null());
    EXPECT_TRUE(status.at("budget").is_null());
    EXPECT_EQ(status.at("memory").at("bytes"), split.bytes());
    EXPECT_EQ(status.at("memory").at("clocks"), split.clock_count * sizeof(__u64));
    EXPECT_EQ(status.at("memory").at("grants"), split.grant_count * sizeof(bmc_grant_slot));
    EXPECT_EQ(status.at("memory").at("buckets"), split.bucket_count * sizeof(bmc_bucket));
    EXPECT_EQ(status.at("generation"), 1);
    EXPECT_TRUE(status.at("origin").is_null());
    EXPECT_EQ(status.at("without_origin").size(), 4U);
    EXPECT_EQ(status.at("gets"), 0);
    EXPECT_EQ(status.at("hits"), 0);
    EXPECT_TRUE(status.at("hit_ratio").is_null());
}

TEST_F(StatusTest, ShowsWhoIsAnsweredAndHowMuch)
{
    EXPECT_THAT(text(), AllOf(Not(HasSubstr("allow")), Not(HasSubstr("budget"))));
    for (const char *map : {"allow", "budgets"})
        EXPECT_FALSE(exists(cache_->pins() + "/" + map)) << map;

    cache_->detach();
    cache_.emplace(server(), lab().name() + "-status", std::vector<std::string>{Lab::interface},
                   std::vector<std::string>{"--memory", "1M", "--allow", "10.77.0.0/24",
                                            "192.0.2.7", "fd77::/64", "10.77.0.0/24", "--budget",
                                            "10M"});
    EXPECT_THAT(json().at("allow"), UnorderedElementsAre("10.77.0.0/24", "192.0.2.7", "fd77::/64"));
    EXPECT_EQ(json().at("budget"), 10 << 20);
    EXPECT_THAT(text(), AllOf(ContainsRegex("\n  allow       .*10\\.77\\.0\\.0/24"),
                              HasSubstr("\n  budget      10M per second and source\n")));
}

TEST_F(StatusTest, SaysSinceWhenItIsAttached)
{
    const time_t before = time(nullptr);
    cache_->detach();
    cache_.emplace(server(), lab().name() + "-status", std::vector<std::string>{Lab::interface},
                   std::vector<std::string>{"--memory", "1M"});
    const auto status = read_status(cache_->instance());

    ASSERT_TRUE(status);
    /* The kernel's file times lag by a tick of its clock. */
    EXPECT_GE(status->attached, before - 1);
    EXPECT_LE(status->attached, time(nullptr));
    tm utc = {};
    char expected[32];
    gmtime_r(&status->attached, &utc);
    strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &utc);
    EXPECT_EQ(json().at("attached"), expected);
    localtime_r(&status->attached, &utc);
    strftime(expected, sizeof expected, "since %F %T\n", &utc);
    EXPECT_THAT(text(), HasSubstr(expected));
}

TEST_F(StatusTest, TextDescribesTheInstance)
{
    const std::string shown = text();

    for (const std::string &part :
         {"instance " + cache_->instance() + ", attached since ",
          std::string("  interfaces  veth0 (XDP native, attached to TC by tcx)\n"),
          std::string("  ports       11211, 11212\n"),
          fmt::format("  addresses   {}, {}\n", Lab::server4, Lab::server6),
          std::string("  generation  1\n"), std::string("  origin      none: memcached-sr"),
          std::string("  gets        0\n")})
        EXPECT_THAT(shown, HasSubstr(part));
}

TEST_F(StatusTest, NamesTheOrigin)
{
    {
        const StandInOrigin origin(cache_->pins());
        const nlohmann::json status = json();
        EXPECT_EQ(status.at("origin"), (nlohmann::json{{"pid", origin.pid()}, {"seen", true}}));
        EXPECT_GT(status.at("generation"), 1);
        EXPECT_THAT(text(), HasSubstr(fmt::format("  origin      memcached-sr with pid {}\n",
                                                  origin.pid())));
        /* The stand-in has no sockets. */
        EXPECT_THAT(text(),
                    HasSubstr(fmt::format("has no UDP socket at {}:11211, ", Lab::server4)));
    }
    EXPECT_TRUE(json().at("origin").is_null());
}

TEST_F(StatusTest, ShowsTheHitRatio)
{
    const std::string path = cache_->pins() + "/programs/counters";
    const auto map = open_map(path, BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(bmc_counters));
    std::vector<bmc_counters> values(static_cast<size_t>(libbpf_num_possible_cpus()));
    values[0].value[BMC_COUNTER_rx_gets] = 200;
    values[0].value[BMC_COUNTER_hit] = 150;
    ASSERT_TRUE(map && write_first(map->get(), path, values.data()));

    EXPECT_EQ(json().at("gets"), 200);
    EXPECT_EQ(json().at("hits"), 150);
    EXPECT_EQ(json().at("hit_ratio"), 0.75);
    EXPECT_THAT(text(), HasSubstr("  gets        200, 75.0 % answered by the kernel\n"));
}

TEST_F(StatusTest, ShowsEveryInstanceUnlessOneIsNamed)
{
    const ExtraInterface extra(server(), "extra0");
    const Cache other(server(), lab().name() + "-other", {extra.name()}, {"--memory", "1M"});
    const auto names = [](const std::string &out) {
        std::vector<std::string> all;
        const auto parsed = nlohmann::json::parse(out);
        for (const auto &status : parsed)
            all.push_back(status.at("instance"));
        return all;
    };

    /* Others may be attached on this machine too. */
    EXPECT_THAT(names(run_bmc({"status", "--json"}).out),
                testing::IsSupersetOf({cache_->instance(), other.instance()}));
    EXPECT_THAT(text(), Not(HasSubstr(other.instance())));
    EXPECT_THAT(run_bmc({"status"}).out,
                testing::AllOf(HasSubstr("instance " + cache_->instance() + ","),
                               HasSubstr("instance " + other.instance() + ",")));
}

TEST_F(StatusTest, OneThatCannotBeReadDoesNotHideTheOthers)
{
    const ExtraInterface extra(server(), "extra0");
    const Cache other(server(), lab().name() + "-other", {extra.name()}, {"--memory", "1M"});
    const std::string path = cache_->pins() + "/control";
    const auto map = open_map(path, BPF_MAP_TYPE_ARRAY, sizeof(bmc_control));
    bmc_control control = {};
    ASSERT_TRUE(map && read_first(*map, path, &control));
    control.layout_version = BMC_LAYOUT_VERSION + 1;
    ASSERT_TRUE(write_first(map->get(), path, &control));

    const test::Result result = run_bmc({"status"});
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err,
                testing::AllOf(HasSubstr(cache_->pins()), HasSubstr("another version of bmc")));
    EXPECT_THAT(result.out, HasSubstr("instance " + other.instance() + ","));
}

TEST_F(StatusTest, UnknownInstanceIsRefused)
{
    const test::Result result = run_bmc({"status", "--instance", "nobody"});

    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, testing::StartsWith("bmc: cannot show the instance 'nobody': there is "
                                                "none of this name; attached: "));
}

} // namespace
} // namespace bmc::test
