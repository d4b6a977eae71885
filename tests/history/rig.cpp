// SPDX-License-Identifier: BSD-3-Clause
#include "tests/history/rig.h"

#include <csignal>
#include <cstdio>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/harness/client.h"
#include "tests/harness/error.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"

namespace bmc::test::history
{

namespace
{

constexpr std::uint16_t port = 11211;

} // namespace

Rig::Rig(Options options) : options_(std::move(options))
{
    attach();
    start_origin();
}

Rig::~Rig()
{
    origin_.reset();
    run_.reset();
    if (!attached_)
        return;
    const Result result = bmc("detach");
    if (result.status != 0)
        std::fprintf(stderr, "bmc detach: %s%s\n", result.out.c_str(), result.err.c_str());
}

std::vector<std::string> Rig::bmc_command(const std::string &subcommand,
                                          const std::vector<std::string> &more) const
{
    std::vector<std::string> arguments = {program_path(options_.bmc), subcommand, "--instance",
                                          instance()};

    if (subcommand == "attach" || subcommand == "run")
        arguments.insert(arguments.end(), {"--interface", Lab::interface, "--port",
                                           std::to_string(port), "--memory", options_.memory});
    if (subcommand == "run" && is_stock())
        arguments.insert(arguments.end(),
                         {"--origin", "stock", "--guard", options_.stock_guard});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

Result Rig::bmc(const std::string &subcommand, const std::vector<std::string> &more) const
{
    return run(bmc_command(subcommand, more), &lab_.server());
}

void Rig::attach()
{
    if (options_.foreground) {
        run_.emplace(bmc_command("run", {}), &lab_.server());
        wait_until("bmc run has attached", [this] {
            if (!run_->running())
                throw Error("bmc run: " + run_->out() + run_->err());
            return run_->out().find("attached '") != std::string::npos;
        });
    } else if (const Result result = bmc("attach"); result.status != 0) {
        throw Error(fmt::format("bmc attach: {}{}", result.out, result.err));
    }
    attached_ = true;
}

void Rig::detach()
{
    Counters last = counters();
    const Result result = bmc("detach");

    if (result.status != 0)
        throw Error(fmt::format("bmc detach: {}{}", result.out, result.err));
    attached_ = false;
    detached_ = std::move(last);
}

void Rig::kill_run()
{
    run_->signal(SIGKILL);
    run_->wait();
}

void Rig::start_and_kill_run(std::chrono::microseconds after)
{
    run_.emplace(bmc_command("run", {}), &lab_.server());
    std::this_thread::sleep_for(after);
    kill_run();
}

Counters Rig::counters() const
{
    const Result result = bmc("stats", {"--json"});

    if (result.status != 0)
        throw Error(fmt::format("bmc stats: {}{}", result.out, result.err));
    auto all = nlohmann::json::parse(result.out).at("counters").get<Counters>();
    for (const auto &[name, value] : detached_)
        all[name] += value;
    return all;
}

void Rig::start_origin()
{
    const std::string number = std::to_string(port);
    std::vector<std::string> arguments = {is_stock() ? "memcached"
                                                     : program_path(options_.memcached),
                                          "-u",
                                          "nobody",
                                          "-p",
                                          number,
                                          "-U",
                                          number,
                                          "-t",
                                          std::to_string(options_.workers),
                                          "-m",
                                          options_.memcached_megabytes,
                                          "-n",
                                          std::to_string(options_.item_place)};

    if (!is_stock())
        arguments.insert(arguments.end(), {"-o", "bmc=/sys/fs/bpf/bmc/" + instance()});
    if (options_.udp_reuseport && !is_stock())
        arguments.insert(arguments.end(), {"-o", "udp_reuseport"});
    if (!options_.segmented_lru)
        arguments.insert(arguments.end(), {"-o", "no_lru_maintainer"});
    origin_.reset();
    origin_.emplace(arguments, &lab_.server());
    wait_until("memcached-sr listens", [this] {
        check_origin();
        return origin_->listens(port, true) && origin_->listens(port, false);
    });
    if (is_stock())
        wait_until("memcached is served", [this] {
            return bmc("stats", {"--json"}).out.find("\"origin_alive\": true") !=
                   std::string::npos;
        });
}

void Rig::check_origin()
{
    if (!origin_->running())
        throw Error(
            fmt::format("memcached-sr ended with status {}: {}", origin_->wait(), origin_->err()));
}

Interval Rig::restart_origin()
{
    const Time start = now();

    origin_->signal(SIGKILL);
    origin_->wait();
    start_origin();
    return {start, now()};
}

std::uint64_t Rig::origin_statistic(const std::string &name) const
{
    TcpClient client(lab_.client(), {Lab::server4});
    const std::string line = "STAT " + name + " ";

    client.send("stats\r\n");
    const std::string all = client.read_until("END\r\n");
    const std::size_t at = all.find(line);
    if (at == std::string::npos)
        throw Error("memcached has no statistic " + name);
    return std::stoull(all.substr(at + line.size()));
}

} // namespace bmc::test::history
