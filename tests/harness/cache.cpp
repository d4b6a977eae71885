// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/cache.h"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bmc/abi/layout.h"
#include "tests/harness/error.h"
#include "tests/harness/paths.h"

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
    : where_(where), instance_(std::move(instance)), arguments_{"attach", "--instance", instance_}
{
    bool port_given = false;

    for (const std::string &interface : interfaces) {
        arguments_.emplace_back("--interface");
        arguments_.push_back(interface);
    }
    for (const std::string &argument : more) {
        port_given = port_given || argument == "--port";
        arguments_.push_back(argument);
    }
    if (!port_given) {
        arguments_.emplace_back("--port");
        arguments_.emplace_back("11211");
    }
    output_ = attach();
    attached_ = true;
}

std::string Cache::attach() const
{
    const Result result = run_bmc(arguments_, &where_);

    if (result.status != 0)
        throw Error(
            fmt::format("bmc attach: exit status {}: {}{}", result.status, result.out, result.err));
    return result.out;
}

Cache::~Cache()
{
    if (!attached_)
        return;
    const Result result = run_bmc({"detach", "--instance", instance_}, &where_);
    if (result.status != 0)
        std::fprintf(stderr, "bmc detach: %s%s\n", result.out.c_str(), result.err.c_str());
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
