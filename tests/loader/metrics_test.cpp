// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/metrics.h"

#include <fstream>
#include <regex>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/harness/error.h"
#include "tests/harness/paths.h"
#include "tests/loader/exposition.h"

namespace bmc::test
{
namespace
{

using testing::HasSubstr;

Stats some_stats()
{
    Stats stats;

    stats.instance = "web-1";
    stats.origin_alive = true;
    stats.generation = 6;
    stats.memory_bytes = uint64_t{5} << 40;
    for (size_t i = 0; i < stats.counters.size(); i++)
        stats.counters[i] = (uint64_t{1} << 45) + i;
    return stats;
}

TEST(Exposition, RefusesWhatIsNotOfTheFormat)
{
    const std::string good = "# HELP a_total what it is\n# TYPE a_total counter\n";
    const struct {
        std::string text;
        const char *message;
    } rows[] = {
        {"", "line's end"},
        {good + "a_total 1", "line's end"},
        {good, "without a sample"},
        {good + "a_total\n", "not a line"},
        {good + "a_total 1 2\n", "not a line"},
        {good + "a_total one\n", "no number"},
        {good + "a_total NaN\n", "no number"},
        {good + "b_total 1\n", "does not follow its type"},
        {good + "a_total 1\na_total 2\n", "was there before"},
        {good + "a_total{b=\"c\"} 1\na_total{b=\"c\"} 1\n", "was there before"},
        {good + "a_total{b=c} 1\n", "labels"},
        {good + "a_total{b=\"c\",b=\"d\"} 1\n", "labels"},
        {good + "a_total 1\n\n", "not a line"},
        {good + "a_total 1\n" + good + "a_total{x=\"y\"} 1\n", "was there before"},
        {"# TYPE a gauge\na 1\n", "does not follow its help"},
        {"# HELP a b\n# TYPE a gauge\n# TYPE a gauge\na 1\n", "does not follow its help"},
        {"# HELP a \n# TYPE a gauge\na 1\n", "not a line"},
        {"# HELP a b\n# TYPE a counter\na 1\n", "does not end in _total"},
        {"# HELP a-b b\n# TYPE a-b gauge\na-b 1\n", "not a line"},
    };

    for (const auto &row : rows) {
        try {
            parse_exposition(row.text);
            ADD_FAILURE() << row.text;
        } catch (const Error &error) {
            EXPECT_THAT(error.what(), HasSubstr(row.message)) << row.text;
        }
    }
    EXPECT_EQ(parse_exposition(good + "a_total{b=\"c\",d=\"\"} 1.5e+10\na_total 0\n")
                  .at("a_total")
                  .samples.size(),
              2U);
}

TEST(MetricsText, HasEveryCounterWithItsHelp)
{
    const Stats stats = some_stats();
    const auto metrics = parse_exposition(metrics_text(stats, {}));
    const std::map<std::string, std::string> labels = {{"bmc_instance", "web-1"}};

    for (size_t i = 0; i < counter_infos.size(); i++) {
        const Metric &metric = metrics.at(fmt::format("bmc_{}_total", counter_infos[i].name));
        EXPECT_EQ(metric.type, "counter");
        EXPECT_EQ(metric.help, counter_infos[i].help);
        ASSERT_EQ(metric.samples.size(), 1U);
        EXPECT_EQ(metric.samples[0].labels, labels);
        EXPECT_EQ(metric.samples[0].value, static_cast<double>(stats.counters[i]));
    }
}

TEST(MetricsText, HasTheGauges)
{
    Stats stats = some_stats();
    auto metrics = parse_exposition(metrics_text(stats, {}));
    const std::map<std::string, double> expected = {
        {"bmc_memory_bytes", static_cast<double>(uint64_t{5} << 40)},
        {"bmc_generation", 6},
        {"bmc_origin_attached", 1},
    };

    for (const auto &[name, value] : expected) {
        EXPECT_EQ(metrics.at(name).type, "gauge") << name;
        EXPECT_EQ(metrics.at(name).samples.at(0).value, value) << name;
    }
    EXPECT_EQ(metrics.size(), expected.size() + counter_infos.size() + 1);
    stats.origin_alive = false;
    metrics = parse_exposition(metrics_text(stats, {}));
    EXPECT_EQ(metrics.at("bmc_origin_attached").samples.at(0).value, 0);
}

TEST(MetricsText, HasTheLatencyOfMisses)
{
    Latency latency;
    latency.count[0] = 5;
    latency.count[10] = 4;
    latency.count[24] = 1;
    latency.sum_us = 12'500'000;
    const auto metrics = parse_exposition(metrics_text(some_stats(), latency));
    const Metric &metric = metrics.at("bmc_miss_latency_seconds");
    std::map<std::string, double> buckets;

    EXPECT_EQ(metric.type, "histogram");
    for (const Sample &sample : metric.samples) {
        EXPECT_EQ(sample.labels.at("bmc_instance"), "web-1");
        if (sample.suffix == "_bucket")
            buckets[sample.labels.at("le")] = sample.value;
        else
            EXPECT_EQ(sample.value, sample.suffix == "_sum" ? 12.5 : 10);
    }
    EXPECT_EQ(buckets.size(), latency.count.size() + 1);
    EXPECT_EQ(buckets.at("1e-06"), 5);
    EXPECT_EQ(buckets.at("0.000512"), 5);
    EXPECT_EQ(buckets.at("0.001024"), 9);
    EXPECT_EQ(buckets.at("8.388608"), 9);
    EXPECT_EQ(buckets.at("16.777216"), 10);
    EXPECT_EQ(buckets.at("+Inf"), 10);
}

/// All queries of a dashboard.
std::vector<std::string> queries(const nlohmann::json &dashboard)
{
    std::vector<std::string> all;

    for (const auto &panel : dashboard.at("panels"))
        for (const auto &target : panel.at("targets"))
            all.push_back(target.at("expr"));
    for (const auto &variable : dashboard.at("templating").at("list"))
        if (variable.contains("definition"))
            all.push_back(variable.at("definition"));
    return all;
}

TEST(GrafanaDashboard, UsesMetricsThatExist)
{
    std::ifstream file(source_path("bmc/share/grafana/bmc.json"));
    const auto dashboard = nlohmann::json::parse(file);
    const auto metrics = parse_exposition(metrics_text(some_stats(), {}));
    const std::regex name("[A-Za-z_:][A-Za-z0-9_:]*");
    const std::set<std::string> others = {"sum",
                                          "rate",
                                          "delta",
                                          "label_values",
                                          "instance",
                                          "bmc_instance",
                                          "m",
                                          "__rate_interval",
                                          "histogram_quantile",
                                          "by",
                                          "le"};
    const std::string bucket = "_bucket"; // of a histogram, which has its name without
    std::set<std::string> used;

    for (const std::string &query : queries(dashboard))
        for (std::sregex_iterator at(query.begin(), query.end(), name), end; at != end; ++at)
            if (!others.contains(at->str())) {
                std::string metric = at->str();
                if (metric.ends_with(bucket))
                    metric.resize(metric.size() - bucket.size());
                EXPECT_TRUE(metrics.contains(metric)) << metric << " in " << query;
                used.insert(at->str());
            }

    /* Every reason why the kernel did not answer is shown. */
    for (const CounterInfo &info : counter_infos)
        if (info.name.starts_with("rx_pass_") || info.name.starts_with("rx_miss")) {
            EXPECT_TRUE(used.contains(fmt::format("bmc_{}_total", info.name))) << info.name;
        }
}

} // namespace
} // namespace bmc::test
