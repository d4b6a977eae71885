// SPDX-License-Identifier: BSD-3-Clause

// bmc-trafficgen in a lab, as it is used.
#include "tests/e2e/fixture.h"
#include "tests/harness/cache.h"
#include "tests/harness/client.h"
#include "tests/harness/error.h"
#include "tests/harness/lab.h"
#include "tests/harness/origin.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"
#include "tests/harness/wait.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <net/if.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <string>
#include <vector>

namespace bmc::test
{
namespace
{

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

Arguments trafficgen(const Arguments &arguments)
{
    Arguments command = {program_path("bmc-trafficgen")};

    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
}

/// Of the XDP program of an interface; 0 if it has none.
uint32_t xdp_program(const NetNs &where)
{
    uint32_t id = 0;

    where.enter([&id] {
        const int ifindex = static_cast<int>(::if_nametoindex(Lab::interface));
        if (bpf_xdp_query_id(ifindex, 0, &id) != 0)
            throw Error("cannot query the XDP program");
    });
    return id;
}

std::string program_name(uint32_t id)
{
    const Fd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    uint32_t size = sizeof info;

    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0)
        throw Error("cannot examine a BPF program");
    return info.name;
}

bool is_one_line(const std::string &text)
{
    return std::count(text.begin(), text.end(), '\n') == 1 && text.back() == '\n';
}

class Trafficgen : public testing::Test
{
  protected:
    static void TearDownTestSuite() { lab_.reset(); }

    void SetUp() override
    {
        require_root();
        if (!IsSkipped() && !HasFatalFailure() && !lab_)
            lab_ = std::make_unique<Lab>();
    }

    static Lab &lab() { return *lab_; }

    /// echo or pass at the server's end, attached.
    static Process attached(const std::string &command)
    {
        Process process(trafficgen({command, "--interface", Lab::interface}), &lab().server());

        wait_until(command + " is attached",
                   [&] { return process.out().find("attached") != std::string::npos; });
        return process;
    }

    static Arguments generate(const Arguments &more, const char *server = Lab::server4)
    {
        Arguments command = trafficgen({"generate", "--interface", Lab::interface, "--server",
                                        server, "--quiet", "--json", "-"});

        command.insert(command.end(), more.begin(), more.end());
        return command;
    }

    static Json report(const Arguments &more, const char *server = Lab::server4)
    {
        return Json::parse(run_checked(generate(more, server), &lab().client()));
    }

    /// A generator that runs until it is ended.
    static Process endless()
    {
        const uint32_t before = xdp_program(lab().client());
        Process process(generate({"--seconds", "1000", "--rate", "1000"}), &lab().client());

        wait_until("the sink is attached", [&] { return xdp_program(lab().client()) != before; });
        return process;
    }

    static void end(Process &process)
    {
        process.signal(SIGTERM);
        EXPECT_EQ(process.wait(), 0);
    }

  private:
    static std::unique_ptr<Lab> lab_;
};

std::unique_ptr<Lab> Trafficgen::lab_;

TEST_F(Trafficgen, CountsWhatEchoSendsBackAndCleansUp)
{
    const uint32_t before = xdp_program(lab().client());
    Process echo = attached("echo");

    for (const char *server : {Lab::server4, Lab::server6}) {
        const Json seen = report({"--seconds", "0.2"}, server);
        EXPECT_GT(seen["replies"], 0);
        EXPECT_EQ(seen["replies"], seen["other"]); // they are requests
        EXPECT_EQ(seen["replies"], seen["frames"]);
        EXPECT_EQ(seen["offered"].get<int64_t>(), seen["refused"].get<int64_t>() +
                                                      seen["replies"].get<int64_t>() +
                                                      seen["lost"].get<int64_t>());
        EXPECT_GE(seen["lost"], 0);
        EXPECT_GT(seen["sent_per_s"], 0);
        EXPECT_EQ(seen["config"]["server"], server);
        EXPECT_EQ(xdp_program(lab().client()), before);
    }
    end(echo);
    EXPECT_EQ(xdp_program(lab().server()), 0U);
}

TEST_F(Trafficgen, KeepsToARate)
{
    const Process echo = attached("echo");
    const Json seen = report({"--rate", "20000", "--seconds", "0.3"});

    EXPECT_GT(seen["offered"], 0);
    EXPECT_LE(seen["offered"].get<double>(), 20000 * seen["duration_s"].get<double>());
}

TEST_F(Trafficgen, PassPassesAndDetaches)
{
    const Origin origin(lab().server(), {});
    Process pass = attached("pass");
    UdpClient client(lab().client(), {Lab::server4});

    EXPECT_EQ(program_name(xdp_program(lab().server())), "pass");
    EXPECT_EQ(client.ask("get a\r\n"), "END\r\n");
    pass.signal(SIGINT);
    EXPECT_EQ(pass.wait(), 0);
    EXPECT_EQ(xdp_program(lab().server()), 0U);
}

TEST_F(Trafficgen, ThreadsArePinnedAndTheirTimeIsCounted)
{
    const Process echo = attached("echo");
    const std::string said = run_checked(
        trafficgen({"threads", "--interface", Lab::interface, "--cpu", "0"}), &lab().server());
    const std::string pid = said.substr(0, said.find(' '));
    cpu_set_t cpus;

    EXPECT_TRUE(is_one_line(said)) << said; // veth0 has one queue
    EXPECT_NE(said.find(" napi/veth0-"), std::string::npos) << said;
    ASSERT_EQ(sched_getaffinity(std::stoi(pid), sizeof cpus, &cpus), 0);
    EXPECT_EQ(CPU_COUNT(&cpus), 1);
    EXPECT_TRUE(CPU_ISSET(0, &cpus));

    const Json seen =
        report({"--seconds", "0.2", "--cpu", "0", "--server-thread", pid + "/" + pid});
    EXPECT_GT(seen["replies"], 0);
    EXPECT_GT(seen["server_cpu_s"], 0);
    EXPECT_GT(seen["cpu_ns_per_reply"], 0);
    EXPECT_GT(seen["replies_per_cpu_s"], 0);

    const Json list = Json::parse(run_checked(
        trafficgen({"threads", "--interface", Lab::interface, "--json", "-"}), &lab().server()));
    ASSERT_EQ(list["threads"].size(), 1U);
    EXPECT_EQ(list["threads"][0]["pid"], std::stoi(pid));

    run_checked(trafficgen({"threads", "--interface", Lab::interface, "--off"}), &lab().server());
    EXPECT_FALSE(std::ifstream("/proc/" + pid + "/comm").is_open());
}

TEST_F(Trafficgen, ASignalEndsTheRunWithAReport)
{
    const uint32_t before = xdp_program(lab().client());
    const Process echo = attached("echo");
    Process generator = endless();

    end(generator);
    EXPECT_TRUE(Json::parse(generator.out()).contains("replies"));
    EXPECT_EQ(xdp_program(lab().client()), before);
}

TEST_F(Trafficgen, AKilledOneLeavesALabThatWorks)
{
    const Origin origin(lab().server(), {});
    const Process pass = attached("pass");
    const auto answered = [] {
        UdpClient client(lab().client(), {Lab::server4});
        return client.ask("get a\r\n") == "END\r\n";
    };
    Process generator = endless();

    generator.signal(SIGKILL);
    generator.wait();
    EXPECT_EQ(program_name(xdp_program(lab().client())), "count_replies");
    EXPECT_TRUE(answered());

    const Json seen = report({"--seconds", "0.2", "--rate", "1000"});
    EXPECT_GT(seen["ends"], 0);
    EXPECT_EQ(program_name(xdp_program(lab().client())), "pass");
    EXPECT_TRUE(answered());
}

TEST_F(Trafficgen, ASecondOneIsRefused)
{
    const Process echo = attached("echo");
    Process generator = endless();
    const Result second = run(generate({}), &lab().client());

    EXPECT_EQ(second.status, 2);
    EXPECT_TRUE(is_one_line(second.err)) << second.err;
    EXPECT_NE(second.err.find("another bmc-trafficgen"), std::string::npos) << second.err;
    end(generator);
}

TEST_F(Trafficgen, MeasuresHitsAndPrograms)
{
    const Cache cache(lab().server(), lab().name(), {Lab::interface});
    const Origin origin(lab().server(), {.pins = cache.pins()});
    const Arguments content = {"--keys", "50", "--key-size", "12"};
    Arguments fill = {program_path("bmc-loadgen"),
                      "--server",
                      Lab::server4,
                      "--distribution",
                      "sequential",
                      "--requests",
                      "500",
                      "--quiet"};
    fill.insert(fill.end(), content.begin(), content.end());
    run_checked(fill, &lab().client());

    const Counters before = cache.counters();
    Arguments load = {"--seconds", "0.2", "--keys-per-get", "2"};
    load.insert(load.end(), content.begin(), content.end());
    const Json seen = report(load);
    EXPECT_GT(seen["values"], 0);
    EXPECT_EQ(seen["values"], seen["replies"]);
    EXPECT_GT(grown(before, cache.counters())["hit"], 0U);

    Process generator = endless();
    const Json times = Json::parse(run_checked(trafficgen(
        {"programs", "--instance", cache.instance(), "--seconds", "0.3", "--json", "-"})));
    const auto rx_filter = std::find_if(times["programs"].begin(), times["programs"].end(),
                                        [](const Json &p) { return p["name"] == "rx_filter"; });
    ASSERT_NE(rx_filter, times["programs"].end());
    EXPECT_GT((*rx_filter)["run_cnt"], 0);
    EXPECT_GT((*rx_filter)["ns_per_run"], 0);
    EXPECT_GT((*rx_filter)["verified_instructions"], 0);
    end(generator);
}

TEST_F(Trafficgen, WhatCannotBeDoneIsSaidInOneLine)
{
    struct Wrong {
        Arguments arguments;
        std::string said;
    };
    const std::string i = Lab::interface;
    const std::string s = Lab::server4;
    const std::vector<Wrong> wrong = {
        {{}, "subcommand is required"},
        {{"generat"}, "no command 'generat'"},
        {{"generate"}, "--interface"},
        {{"generate", "-i", i}, "--server"},
        {{"generate", "-i", "nosuch0", "-s", s}, "nosuch0"},
        {{"generate", "-i", i, "-s", "10.77.0"}, "10.77.0"},
        {{"generate", "-i", i, "-s", "10.77.0.99"}, "--server-mac"},
        {{"generate", "-i", i, "-s", s, "--server-mac", "02:00"}, "02:00"},
        {{"generate", "-i", i, "-s", s, "--client", Lab::client6}, "address family"},
        {{"generate", "-i", i, "-s", s, "--port", "0"}, "--port"},
        {{"generate", "-i", i, "-s", s, "--client-port", "65535"}, "65535"},
        {{"generate", "-i", i, "-s", s, "--keys", "0"}, "--keys"},
        {{"generate", "-i", i, "-s", s, "--key-size", "2"}, "key size 2"},
        {{"generate", "-i", i, "-s", s, "--key-size", "250", "--keys-per-get", "6"},
         "fewer or shorter"},
        {{"generate", "-i", i, "-s", s, "--distribution", "normal"}, "normal"},
        {{"generate", "-i", i, "-s", s, "--rate", "-1"}, "--rate"},
        {{"generate", "-i", i, "-s", s, "--seconds", "0.1", "--cpu", "1000"}, "CPU 1000"},
        {{"generate", "-i", i, "-s", s, "--cpu", "0,"}, "CPUs '0,'"},
        {{"generate", "-i", i, "-s", s, "--server-thread", "x"}, "thread 'x'"},
        {{"generate", "-i", i, "-s", s, "--server-thread", "4194304"}, "4194304"},
        {{"generate", "-i", i, "-s", s, "--seconds", "0.1", "--json", "/nosuch/file"},
         "/nosuch/file"},
        {{"echo"}, "--interface"},
        {{"echo", "-i", i, "--port", "70000"}, "--port"},
        {{"pass", "-i", "nosuch0"}, "nosuch0"},
        {{"threads", "-i", "nosuch0"}, "nosuch0"},
        {{"threads", "-i", "lo"}, "lo"},
        {{"programs", "--instance", "nosuch"}, "nosuch"},
        {{"programs", "--instance", "a/b"}, "a/b"},
    };
    const uint32_t before = xdp_program(lab().client());

    for (const Wrong &w : wrong) {
        const Result result = run(trafficgen(w.arguments), &lab().client());
        EXPECT_EQ(result.status, 2) << w.said;
        EXPECT_TRUE(is_one_line(result.err)) << result.err;
        EXPECT_NE(result.err.find(w.said), std::string::npos) << w.said << ": " << result.err;
        EXPECT_EQ(xdp_program(lab().client()), before) << w.said;
    }
}

TEST_F(Trafficgen, AProgramThatIsThereByALinkIsLeftAlone)
{
    Process pass(trafficgen({"pass", "--interface", "lo"}), &lab().client());
    wait_until("pass is attached",
               [&] { return pass.out().find("attached") != std::string::npos; });

    const Result result = run(trafficgen({"generate", "--interface", "lo", "--server", "127.0.0.1",
                                          "--server-mac", "00:00:00:00:00:00"}),
                              &lab().client());
    EXPECT_EQ(result.status, 2);
    EXPECT_NE(result.err.find("cannot be replaced"), std::string::npos) << result.err;
    EXPECT_TRUE(pass.running());
}

} // namespace
} // namespace bmc::test
