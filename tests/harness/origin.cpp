// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/origin.h"

#include <csignal>

#include <fmt/format.h>

#include "tests/harness/error.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

namespace
{

std::vector<std::string> arguments(const Origin::Options &options)
{
    const std::string port = std::to_string(options.port);
    std::vector<std::string> result = {options.stock ? "memcached" : program_path("memcached-sr"),
                                       "-u",
                                       "nobody",
                                       "-p",
                                       port,
                                       "-U",
                                       port,
                                       "-t",
                                       "2",
                                       "-m",
                                       "64"};

    if (options.udp_reuseport && !options.stock)
        result.insert(result.end(), {"-o", "udp_reuseport"});
    if (!options.pins.empty())
        result.insert(result.end(), {"-o", "bmc=" + options.pins});
    result.insert(result.end(), options.more.begin(), options.more.end());
    return result;
}

} // namespace

Origin::Origin(const NetNs &where, const Options &options)
    : port_(options.port), process_(arguments(options), &where)
{
    wait_until("memcached listens", [this] {
        if (!process_.running())
            throw Error(fmt::format("memcached ended with status {}: {}", process_.wait(),
                                    process_.err()));
        return process_.listens(port_, true) && process_.listens(port_, false);
    });
}

void Origin::stop()
{
    process_.signal(SIGTERM);
    process_.wait();
}

void Origin::kill()
{
    process_.signal(SIGKILL);
    process_.wait();
}

} // namespace bmc::test
