// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/system.h"

#include "bench/runner/interrupt.h"
#include "bench/trafficgen/napi.h"
#include "tests/harness/error.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

namespace runner
{

namespace
{

using bmc::test::Error;
using bmc::test::Lab;
using bmc::test::NetNs;
using bmc::test::Process;
using bmc::test::program_path;
using bmc::test::run_checked;
using bmc::test::system_error;
using bmc::test::wait_until;

/// Of everything that is measured, threads of the kernel too, so that none of them
/// waits for another that matters less.
constexpr int nice_value = -15;

template <class T>
T check(bmc::Result<T> result)
{
    if (!result)
        throw Error(result.error().line());
    return std::move(*result);
}

std::vector<std::string> server_command(const Server::Options &options)
{
    const std::string port = fmt::to_string(options.port);
    // It does not grow while it is measured.
    const int hash_power = std::clamp(static_cast<int>(std::bit_width(options.keys)), 16, 28);
    std::string extra = fmt::format("hashpower={}", hash_power);

    if (!options.pins.empty())
        extra += ",bmc=" + options.pins;
    return {options.stock ? "memcached" : program_path("memcached-sr"),
            "-u",
            "nobody",
            "-p",
            port,
            "-U",
            port,
            "-t",
            "1",
            "-m",
            "4096",
            "-o",
            extra};
}

nlohmann::ordered_json run_client(const char *what, const std::vector<std::string> &command,
                                  const NetNs &where)
{
    Process process(command, &where);
    const int status = wait_for(process);

    if (status != 0)
        throw Error(fmt::format("{} ended with status {}: {}", what, status, process.err()));
    return nlohmann::ordered_json::parse(process.out());
}

std::string instance_name()
{
    static unsigned count = 0;

    return fmt::format("bench-{}-{}", ::getpid(), ++count);
}

std::vector<pid_t> threads_of(const NetNs &where)
{
    std::vector<pid_t> pids;

    where.enter([&] {
        for (const auto &thread :
             check(trafficgen::napi_threads(check(bmc::find_interface(Lab::interface)))))
            pids.push_back(thread.pid);
    });
    if (pids.empty())
        throw Error(fmt::format("no NAPI threads in {}", where.name()));
    return pids;
}

/// The threads of an interface to CPUs, in turn.
void place_threads(const NetNs &where, const std::vector<int> &cpus)
{
    const std::vector<pid_t> pids = threads_of(where);

    for (size_t i = 0; i < pids.size(); i++) {
        check(trafficgen::pin({pids[i], "NAPI thread"}, cpus[i % cpus.size()]));
        if (::setpriority(PRIO_PROCESS, static_cast<id_t>(pids[i]), nice_value) != 0)
            throw system_error("setpriority of a NAPI thread");
    }
}

} // namespace

int wait_for(Process &process)
{
    wait_until(
        "the end of a program that it runs",
        [&process] {
            check_interrupt();
            return !process.running();
        },
        std::chrono::minutes(10));
    // It may have ended by the signal that ends us too.
    check_interrupt();
    return process.wait();
}

std::vector<std::string> on_cpu(int cpu, const std::vector<std::string> &arguments)
{
    std::vector<std::string> command = {"nice",    "-n", fmt::to_string(nice_value),
                                        "taskset", "-c", fmt::to_string(cpu)};

    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
}

Server::Server(const NetNs &where, int cpu, const Options &options)
    : port_(options.port), process_(on_cpu(cpu, server_command(options)), &where)
{
    wait_until("memcached listens", [this] {
        check_interrupt();
        if (!process_.running())
            throw Error(
                fmt::format("memcached ended with status {}: {}", process_.wait(), process_.err()));
        return process_.listens(port_, true) && process_.listens(port_, false);
    });
}

System::System(const Cpus &cpus, const Options &options) : cpus_(cpus), server_cpus_({cpus.server})
{
    check_interrupt();
    // The client's end first: its XDP program wants a receive queue for each queue that
    // the server's end sends by.
    for (const NetNs *end : {&lab_.client(), &lab_.server()}) {
        if (options.queues > 1)
            run_checked({"ethtool", "-L", Lab::interface, "rx", fmt::to_string(options.queues),
                         "tx", fmt::to_string(options.queues)},
                        end);
        // veth receives by NAPI if GRO is on, and without an XDP program only what a
        // sender without TSO sends (Linux, drivers/net/veth.c: veth_xmit()).
        run_checked({"ethtool", "-K", Lab::interface, "gro", "on", "tso", "off"}, end);
    }
    switch (options.front) {
    case Front::none:
        break;
    case Front::pass:
    case Front::echo: {
        std::vector<std::string> command = {program_path("bmc-trafficgen"),
                                            options.front == Front::pass ? "pass" : "echo",
                                            "--interface", Lab::interface};
        if (options.front == Front::echo)
            command.insert(command.end(), {"--port", fmt::to_string(port)});
        program_.emplace(command, &lab_.server());
        wait_until("an XDP program is attached", [this] {
            check_interrupt();
            if (!program_->running())
                throw Error(fmt::format("bmc-trafficgen: {}", program_->err()));
            return program_->out().find("attached") != std::string::npos;
        });
        break;
    }
    case Front::bmc: {
        std::vector<std::string> more = {"--memory", options.memory};
        if (options.stock)
            more.insert(more.end(), {"--origin", "stock"});
        cache_.emplace(lab_.server(), instance_name(), std::vector<std::string>{Lab::interface},
                       more);
        break;
    }
    }
    receive_by_threads();
}

void System::receive_by_threads() const
{
    for (const NetNs *end : {&lab_.server(), &lab_.client()}) {
        end->enter([] {
            check(trafficgen::set_threaded(check(bmc::find_interface(Lab::interface)), true));
        });
    }
    place_threads(lab_.server(), server_cpus_);
    place_threads(lab_.client(), {cpus_.client});
}

void System::pin_server_threads(const std::vector<int> &cpus)
{
    server_cpus_ = cpus;
    place_threads(lab_.server(), server_cpus_);
}

std::vector<pid_t> System::server_threads() const
{
    return threads_of(lab_.server());
}

Server System::start(Server::Options options, bool with_cache) const
{
    if (with_cache)
        options.pins = cache_->pins();
    return {lab_.server(), cpus_.server, options};
}

Sample System::load(const Server &server, const std::vector<std::string> &arguments,
                    bool with_napi) const
{
    std::vector<std::string> command = on_cpu(
        cpus_.client, {program_path("bmc-loadgen"), "--server", Lab::server4, "--port",
                       fmt::to_string(server.port()), "--quiet", "--json", "-", "--server-pid",
                       fmt::to_string(server.pid()), "--seed", fmt::to_string(++seed_)});
    if (with_napi)
        for (const pid_t pid : server_threads())
            command.insert(command.end(), {"--server-pid", fmt::to_string(pid)});
    command.insert(command.end(), arguments.begin(), arguments.end());

    Sample sample;
    sample.raw = run_client("bmc-loadgen", command, lab_.client());
    sample.raw.erase("config");
    sample.operations =
        sample.raw.at("replies").get<double>() + sample.raw.at("sets").get<double>();
    sample.server_cpu_s = sample.raw.at("server_cpu_s");
    sample.seconds = sample.raw.at("duration_s");
    sample.median_us = sample.raw.at("p50_us");
    if (sample.operations == 0)
        throw Error("no request was answered");
    return sample;
}

void System::store(const Server &server, const Workload &workload) const
{
    std::vector<std::string> arguments = loadgen_arguments(workload);

    arguments.insert(arguments.end(), {"--seconds", "0.01"});
    load(server, arguments);
}

void System::get_all(const Server &server, const Workload &workload) const
{
    Workload in_order = workload;
    in_order.distribution = "sequential";
    in_order.set_ratio = 0;
    in_order.keys_per_get = 1;
    std::vector<std::string> arguments = loadgen_arguments(in_order);

    arguments.insert(arguments.end(), {"--stored", "--strict", "--seconds", "300", "--requests",
                                       fmt::to_string(workload.keys)});
    load(server, arguments);
}

Sample System::generate(const std::optional<Server> &server,
                        const std::vector<std::string> &arguments, const std::string &from) const
{
    std::vector<std::string> command = {"nice", "-n", fmt::to_string(nice_value)};

    command.insert(command.end(),
                   {program_path("bmc-trafficgen"), "generate", "--interface", Lab::interface,
                    "--server", Lab::server4, "--port", fmt::to_string(port), "--quiet", "--json",
                    "-", "--cpu", from.empty() ? fmt::to_string(cpus_.client) : from, "--seed",
                    fmt::to_string(++seed_)});
    for (const pid_t pid : server_threads())
        command.insert(command.end(), {"--server-thread", fmt::to_string(pid)});
    if (server)
        command.insert(command.end(), {"--server-thread", fmt::to_string(server->pid())});
    command.insert(command.end(), arguments.begin(), arguments.end());

    Sample sample;
    sample.raw = run_client("bmc-trafficgen", command, lab_.client());
    sample.raw.erase("config");
    sample.operations = sample.raw.at("sent");
    sample.server_cpu_s = sample.raw.at("server_cpu_s");
    sample.seconds = sample.raw.at("duration_s");
    if (sample.operations == 0)
        throw Error("the generator sent nothing");
    return sample;
}

} // namespace runner
