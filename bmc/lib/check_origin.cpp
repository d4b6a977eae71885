// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/lib/ask_version.h"
#include "bmc/lib/check.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/origin.h"

namespace bmc
{

namespace
{

/// How to start the origin of an instance.
std::string start_origin(const AttachOptions &options)
{
    return fmt::format("memcached-sr -U {} -o bmc={}", options.ports.front(),
                       instance_folder(options.pin_root, options.instance));
}

Finding check_memcached(const AttachOptions &options, const std::vector<VersionAnswer> &answers)
{
    std::vector<std::string> with;
    std::vector<std::string> without;

    for (const VersionAnswer &answer : answers) {
        if (answer.version.empty())
            without.push_back(fmt::format("{} ({})", answer.endpoint.text(), answer.why));
        else
            with.push_back(fmt::format("{} ({})", answer.endpoint.text(), answer.version));
    }
    if (without.empty())
        return {"memcached", Verdict::ok,
                fmt::format("answers over UDP at {}", fmt::join(with, ", ")), ""};
    return {"memcached", Verdict::warning,
            fmt::format("no answer over UDP within {} ms from {}{}", origin_wait.count(),
                        fmt::join(without, ", "),
                        with.empty() ? "" : fmt::format("; from {}", fmt::join(with, ", "))),
            fmt::format("start it there, with `-U {}` for UDP", options.ports.front())};
}

Finding check_attached(const AttachOptions &options, bool answers)
{
    const std::string folder = instance_folder(options.pin_root, options.instance);

    if (!is_instance(folder)) {
        if (answers)
            return {
                "origin", Verdict::warning,
                "the memcached that runs there was started before the instance",
                fmt::format("after `bmc attach`, start `{}` in its place", start_origin(options))};
        return {"origin", Verdict::ok, "none yet: it is started after `bmc attach`",
                fmt::format("`{}`", start_origin(options))};
    }
    if (const auto origin = find_origin(folder))
        return {"origin", Verdict::ok, fmt::format("{} holds the instance", origin->text()), ""};
    return {"origin", Verdict::warning,
            fmt::format("no memcached-sr holds '{}': nothing is answered by the kernel",
                        options.instance),
            fmt::format("start `{}`", start_origin(options))};
}

} // namespace

Findings check_origin(const AttachOptions &options, const std::vector<Address> &addresses)
{
    std::vector<Endpoint> endpoints;

    for (const uint16_t port : options.ports)
        for (const Address &address : addresses)
            endpoints.push_back({address, port});
    if (endpoints.empty())
        return {};
    const auto answers = ask_version(endpoints, origin_wait);

    bool any = false;
    for (const VersionAnswer &answer : answers)
        any = any || !answer.version.empty();
    return {check_memcached(options, answers), check_attached(options, any)};
}

} // namespace bmc
