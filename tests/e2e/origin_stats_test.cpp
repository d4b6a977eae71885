// SPDX-License-Identifier: BSD-3-Clause
//
// `bmc stats --with-origin`: memcached's gets and the kernel's together.

#include <nlohmann/json.hpp>

#include "tests/e2e/fixture.h"

namespace bmc::test
{
namespace
{

class OriginStats : public E2e
{
  protected:
    Result stats(const std::vector<std::string> &more, bool in_namespace = true)
    {
        std::vector<std::string> arguments = {"stats", "--with-origin", "--instance",
                                              stand().cache().instance()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run_bmc(arguments, in_namespace ? &lab().server() : nullptr);
    }

    nlohmann::json with_origin()
    {
        const Result result = stats({"--json"});
        EXPECT_EQ(result.status, 0) << result.err;
        return nlohmann::json::parse(result.out).at("with_origin");
    }
};

// There is nothing to ask without the cache.
INSTANTIATE_TEST_SUITE_P(WithCache, OriginStats, with_cache_ipv4, setup_name);

TEST_P(OriginStats, CountKeysOfBoth)
{
    const std::string a = key("a");
    const std::string absent = key("absent");
    const nlohmann::json before = with_origin();
    const auto grown = [&before](const nlohmann::json &now, const char *whose, const char *what) {
        return now.at(whose).at(what).get<uint64_t>() - before.at(whose).at(what).get<uint64_t>();
    };

    store(a, "value");
    expect_no_hit(get(a), value_reply(a, "value"));
    expect_no_hit(get(absent), "END\r\n");
    for (int i = 0; i < 3; i++)
        expect_hit("get " + a + " " + absent + "\r\n", value_reply(a, "value"));
    expect_hit(get(a), value_reply(a, "value"));
    const nlohmann::json now = with_origin();

    EXPECT_EQ(now.at("server"), "10.77.0.1:11211");
    EXPECT_EQ(now.at("pid"), stand().origin().process().pid());
    for (const auto &[whose, hits, misses] :
         {std::tuple("kernel", 4U, 3U), {"memcached", 1U, 1U}, {"together", 5U, 4U}}) {
        EXPECT_EQ(grown(now, whose, "get_hits"), hits) << whose;
        EXPECT_EQ(grown(now, whose, "get_misses"), misses) << whose;
        EXPECT_EQ(grown(now, whose, "cmd_get"), hits + misses) << whose;
        EXPECT_DOUBLE_EQ(now.at(whose).at("hit_ratio").get<double>(),
                         now.at(whose).at("get_hits").get<double>() /
                             now.at(whose).at("cmd_get").get<double>())
            << whose;
    }
    EXPECT_NE(stats({}).out.find("together"), std::string::npos);
}

TEST_P(OriginStats, WhoeverElseAnswersIsNotCounted)
{
    const Result outside = stats({}, false);
    EXPECT_EQ(outside.status, 1);
    EXPECT_EQ(outside.out, "");
    EXPECT_NE(outside.err.find("cannot ask memcached over TCP for its statistics, at "
                               "10.77.0.1:11211"),
              std::string::npos)
        << outside.err;
}

TEST_P(OriginStats, NoOrigin)
{
    stand().origin().stop();
    const Result result = stats({});
    stand().start_origin();
    connect();

    EXPECT_EQ(result.status, 1);
    EXPECT_NE(result.err.find("no memcached-sr runs on"), std::string::npos) << result.err;
}

} // namespace
} // namespace bmc::test
