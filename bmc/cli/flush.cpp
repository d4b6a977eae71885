// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/flush.h"

#include <memory>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bmc/cli/commands.h"
#include "bmc/lib/attach.h"
#include "bmc/lib/entries.h"

namespace bmc::cli
{

namespace
{

struct Arguments {
    std::string instance = default_instance;
    std::optional<std::string> key; ///< as the user wrote it
    bool json = false;
};

std::string no_key(const std::string &text)
{
    return unescape_key(text) ? "" : fmt::format("'{}' is no key of memcached", escape_key(text));
}

void run(const Arguments &arguments)
{
    nlohmann::ordered_json report = {{"instance", arguments.instance}};
    std::string line;

    if (arguments.key) {
        const std::string key = *unescape_key(*arguments.key);
        report["key"] = escape_key(key);
        report["version"] = check(flush_key(arguments.instance, key));
        line = fmt::format("flushed the key '{}' of '{}'", escape_key(key), arguments.instance);
    } else {
        const uint64_t generation = check(flush_all(arguments.instance));
        report["generation"] = generation;
        line = fmt::format("flushed '{}': generation {}", arguments.instance, generation);
    }
    say(arguments.json ? report.dump(4) : line);
}

} // namespace

void add_flush(CLI::App &app)
{
    const auto arguments = std::make_shared<Arguments>();
    CLI::App *const command = app.add_subcommand(
        "flush", "Make all that is cached useless at once; memcached keeps its items");

    command->footer("Examples:\n"
                    "  bmc flush\n"
                    "  bmc flush --instance web --key user:17");
    command->add_option("--instance", arguments->instance, "Name of the instance")
        ->type_name("NAME")
        ->capture_default_str();
    command
        ->add_option("--key", arguments->key,
                     "Only this key, written as `bmc dump` writes it, with \\xNN and \\\\")
        ->check(no_key)
        ->type_name("KEY");
    command->add_flag("--json", arguments->json, "Print one JSON object");
    command->callback([arguments] { run(*arguments); });
}

} // namespace bmc::cli
