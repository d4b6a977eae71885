// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/cache.h"

#include <algorithm>
#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bmc/abi/layout.h"
#include "tests/harness/error.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

Result run_bmc(const std::vector<std::string> &arguments, const NetNs *where)
{
    std::vector<std::string> all = {program_path("bmc")};

    all.insert(all.end(), arguments.begin(), arguments.end());
    return run(all, where);
}

Cache::Cache(const NetNs &where, std::string instance, const std::vector<std::string> &interfaces,
             const std::vector<std::string> &more)
    : where_(where), instance_(std::move(instance))
{
    const bool stays = std::find(more.begin(), more.end(), "stock") != more.end();
    std::vector<std::string> arguments = {stays ? "run" : "attach", "--instance", instance_};
    bool port_given = false;

    for (const std::string &interface : interfaces) {
        arguments.emplace_back("--interface");
        arguments.push_back(interface);
    }
    for (const std::string &argument : more) {
        port_given = port_given || argument == "--port";
        arguments.push_back(argument);
    }
    if (!port_given) {
        arguments.emplace_back("--port");
        arguments.emplace_back("11211");
    }
    if (stays) {
        arguments.insert(arguments.begin(), program_path("bmc"));
        run_.emplace(arguments, &where_);
        wait_until("bmc run has attached", [this] {
            if (!run_->running())
                throw Error("bmc run: " + run_->out() + run_->err());
            return run_->out().find("attached '") != std::string::npos;
        });
        attached_ = true;
        return;
    }
    const Result result = run_bmc(arguments, &where_);
    if (result.status != 0)
        throw Error(
            fmt::format("bmc attach: exit status {}: {}{}", result.status, result.out, result.err));
    attached_ = true;
    output_ = result.out;
}

Cache::~Cache()
{
    if (!attached_)
        return;
    try {
        detach();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
}

std::string Cache::pins() const
{
    return BMC_PIN_ROOT "/" + instance_;
}

Counters Cache::counters() const
{
    const Result result = run_bmc({"stats", "--instance", instance_, "--json"}, &where_);
    if (result.status != 0)
        throw Error(
            fmt::format("bmc stats: exit status {}: {}{}", result.status, result.out, result.err));
    return nlohmann::json::parse(result.out).at("counters").get<Counters>();
}

void Cache::detach()
{
    attached_ = false;
    if (run_ && run_->running()) {
        run_->signal(SIGTERM);
        if (const int status = run_->wait(); status != 0)
            throw Error(fmt::format("bmc run: exit status {}: {}{}", status, run_->out(),
                                    run_->err()));
        return;
    }
    const Result result = run_bmc({"detach", "--instance", instance_}, &where_);
    if (result.status != 0)
        throw Error(
            fmt::format("bmc detach: exit status {}: {}{}", result.status, result.out, result.err));
}

Counters grown(const Counters &before, const Counters &after)
{
    Counters result;

    for (const auto &[name, value] : after) {
        const auto old = before.find(name);
        const std::uint64_t growth = value - (old == before.end() ? 0 : old->second);
        if (growth != 0)
            result[name] = growth;
    }
    return result;
}

} // namespace bmc::test
