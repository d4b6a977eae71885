// SPDX-License-Identifier: BSD-3-Clause
//
// `bmc run --metrics`: what Prometheus gets.

#include <csignal>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <httplib.h>

#include "bmc/abi/layout.h"
#include "bmc/lib/metrics.h"
#include "tests/harness/cache.h"
#include "tests/harness/client.h"
#include "tests/harness/error.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"
#include "tests/loader/exposition.h"
#include "tests/loader/fixture.h"
#include "tests/loader/stand_in_origin.h"

namespace bmc::test
{
namespace
{

using testing::HasSubstr;

constexpr int port = 9250;

class Scrape : public LoaderTest
{
  protected:
    std::string instance() const { return lab().name() + "-scrape"; }
    std::string pins() const { return std::string(BMC_PIN_ROOT "/") + instance(); }

    std::vector<std::string> arguments(const std::string &metrics) const
    {
        return {"run",        "--interface", Lab::interface, "--memory", "1M",
                "--instance", instance(),    "--metrics",    metrics};
    }

    /// Starts `bmc run` and waits until it says where the metrics are.
    Process start(const std::string &metrics) const
    {
        std::vector<std::string> all = arguments(metrics);
        all.insert(all.begin(), program_path("bmc"));
        Process run(all, &server());

        wait_until("bmc run offers metrics", [&] {
            return run.out().find("metrics are at http://") != std::string::npos || !run.running();
        });
        EXPECT_EQ(run.err(), "");
        return run;
    }

    static void stop(Process &run)
    {
        run.signal(SIGTERM);
        EXPECT_EQ(run.wait(), 0) << run.err();
    }

    /// The reply to GET, from within the server's network namespace.
    static httplib::Response get(const std::string &host, const std::string &path = "/metrics")
    {
        std::optional<httplib::Result> result;

        server().enter([&] {
            httplib::Client client(host, port);
            result = client.Get(path);
        });
        if (!*result)
            throw Error("GET " + path + ": " + httplib::to_string(result->error()));
        return result->value();
    }

    static std::map<std::string, Metric> scrape(const std::string &host = "127.0.0.1")
    {
        const httplib::Response response = get(host);

        EXPECT_EQ(response.status, 200) << response.body;
        EXPECT_EQ(response.get_header_value("Content-Type"), metrics_media_type);
        return parse_exposition(response.body);
    }

    /// The one sample of a metric.
    static double value(const std::map<std::string, Metric> &metrics, const std::string &name)
    {
        return metrics.at(name).samples.at(0).value;
    }
};

TEST_F(Scrape, ShowsWhatTheKernelCounts)
{
    Process run = start(std::to_string(port));
    const auto before = scrape();
    for (int i = 0; i < 7; i++)
        send_to_server(lab());
    wait_until("XDP has seen the packets", [&] {
        return value(scrape(), "bmc_rx_requests_total") ==
               value(before, "bmc_rx_requests_total") + 7;
    });

    const auto after = scrape();
    EXPECT_EQ(after.size(), counter_infos.size() + 4);
    for (const CounterInfo &info : counter_infos) {
        const Metric &metric = after.at(fmt::format("bmc_{}_total", info.name));
        EXPECT_EQ(metric.help, info.help);
        ASSERT_EQ(metric.samples.size(), 1U);
        EXPECT_EQ(metric.samples[0].labels.at("bmc_instance"), instance());
    }
    EXPECT_EQ(value(after, "bmc_memory_bytes"),
              static_cast<double>(split_memory(min_memory).bytes()));
    stop(run);
}

TEST_F(Scrape, FollowsTheOrigin)
{
    Process run = start(fmt::format("127.0.0.1:{}", port));
    const auto before = scrape();
    EXPECT_EQ(value(before, "bmc_origin_attached"), 0);
    {
        const StandInOrigin origin(pins());
        wait_until("the origin is in the metrics",
                   [] { return value(scrape(), "bmc_origin_attached") == 1; });
        EXPECT_GT(value(scrape(), "bmc_generation"), value(before, "bmc_generation"));
    }
    wait_until("the origin is not in the metrics",
               [] { return value(scrape(), "bmc_origin_attached") == 0; });
    stop(run);
}

TEST_F(Scrape, ListensWhereItIsTold)
{
    const struct {
        std::string metrics;
        std::vector<std::string> hosts;
        const char *refuses;
    } rows[] = {
        {fmt::format("{}:{}", Lab::server4, port), {Lab::server4}, "127.0.0.1"},
        {fmt::format("[{}]:{}", Lab::server6, port), {Lab::server6}, Lab::server4},
        {fmt::format("0.0.0.0:{}", port), {Lab::server4, "127.0.0.1"}, Lab::server6},
    };

    for (const auto &row : rows) {
        Process run = start(row.metrics);
        EXPECT_THAT(run.out(),
                    HasSubstr(fmt::format("metrics are at http://{}/metrics\n", row.metrics)));
        for (const std::string &host : row.hosts)
            EXPECT_FALSE(scrape(host).empty());
        EXPECT_THROW(get(row.refuses), Error);
        EXPECT_EQ(get(row.hosts[0], "/").status, 404);
        stop(run);
    }
}

/* A client that would keep its connection open, and one that never asks, end with it. */
TEST_F(Scrape, EndsWithAClientConnected)
{
    Process run = start(std::to_string(port));
    std::optional<httplib::Client> client;

    server().enter([&] {
        client.emplace("127.0.0.1", port);
        client->set_keep_alive(true);
        EXPECT_TRUE(client->Get("/metrics"));
    });
    const TcpClient silent(server(), {"127.0.0.1", port});
    stop(run);
}

TEST_F(Scrape, PromtoolHasNothingToSay)
{
    if (test::run({"sh", "-c", "command -v promtool"}).status != 0)
        return; /* package prometheus; parse_exposition() is what all other tests rely on */

    Process run = start(std::to_string(port));
    const std::string file = fmt::format("{}bmc-metrics-{}", testing::TempDir(), getpid());
    std::ofstream(file) << get("127.0.0.1").body;
    const test::Result result = test::run({"sh", "-c", "promtool check metrics <\"$0\"", file});
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.out + result.err, "");
    std::remove(file.c_str());
    stop(run);
}

TEST_F(Scrape, WhatCannotBeListenedOnAttachesNothing)
{
    const struct {
        std::string metrics;
        const char *message;
    } rows[] = {
        {"192.0.2.77:9250",
         "bmc: cannot listen on 192.0.2.77:9250: Cannot assign requested address: "},
        {"0", "bmc: cannot listen on '0': give [ADDRESS:]PORT"},
        {"65536", "bmc: cannot listen on '65536': give"},
        {"localhost:9250", "bmc: cannot listen on 'localhost:9250': give"},
        {"fd77::1:9250", "bmc: cannot listen on 'fd77::1:9250': give"},
        {"", "bmc: cannot listen on '': give"},
    };

    for (const auto &row : rows) {
        const test::Result result = run_bmc(arguments(row.metrics), &server());
        EXPECT_EQ(result.status, 1) << row.metrics;
        EXPECT_THAT(result.err, testing::StartsWith(row.message));
        EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
        EXPECT_EQ(result.out, "");
        expect_untouched(server(), Lab::interface);
    }
}

TEST_F(Scrape, PortInUseAttachesNothing)
{
    Process run = start(std::to_string(port));
    std::vector<std::string> all = arguments(std::to_string(port));
    all[6] = instance() + "2";
    const test::Result result = run_bmc(all, &server());

    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.err, fmt::format("bmc: cannot listen on 127.0.0.1:{}: Address already in "
                                      "use: choose another --metrics\n",
                                      port));
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(get("127.0.0.1").status, 200);
    stop(run);
}

} // namespace
} // namespace bmc::test
