// SPDX-License-Identifier: BSD-3-Clause
#include <ctime>
#include <fnmatch.h>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bmc/cli/commands.h"
#include "bmc/lib/attach.h"
#include "bmc/lib/cache_reader.h"
#include "bmc/lib/samples.h"

namespace bmc::cli
{

namespace
{

struct Arguments {
    std::string instance = default_instance;
    std::optional<std::string> match;
    std::optional<uint64_t> limit;
    bool json = false;
};

/// CLI11 would take -1 for the largest number.
std::string digits(const std::string &text)
{
    return text.find_first_not_of("0123456789") == std::string::npos ? "" : "give a number";
}

uint64_t monotonic_ns()
{
    timespec now = {};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

/// Milliseconds to the deadline, less than zero behind it; none if there is no deadline.
std::optional<int64_t> milliseconds_left(const CachedEntry &entry, uint64_t now_ns)
{
    if (entry.deadline_ns == BMC_NO_DEADLINE)
        return std::nullopt;
    return static_cast<int64_t>(entry.deadline_ns - now_ns) / 1'000'000;
}

/// What was seen on the way through the buckets.
struct Summary {
    uint64_t shown = 0;
    uint64_t current = 0;
    uint64_t busy_buckets = 0; ///< that were written all the time and could not be read
    bool complete = true;      ///< the limit was not reached
};

/// Hands all entries that are wanted to `show`, with their state and the time.
template <class Show>
Summary walk(const CacheReader &reader, const Arguments &arguments, Show show)
{
    std::vector<CachedEntry> entries;
    Summary summary;

    for (uint32_t bucket = 0; bucket < reader.bucket_count(); bucket++) {
        entries.clear();
        if (!reader.read(bucket, entries))
            summary.busy_buckets++;
        for (const CachedEntry &entry : entries) {
            if (arguments.match && fnmatch(arguments.match->c_str(), entry.key.c_str(), 0) != 0)
                continue;
            if (arguments.limit && summary.shown == *arguments.limit) {
                summary.complete = false;
                return summary;
            }
            const uint64_t now = monotonic_ns();
            const EntryState state = reader.state(entry, now);
            show(entry, state, now);
            summary.shown++;
            summary.current += state == EntryState::current ? 1 : 0;
        }
    }
    return summary;
}

/// How many of the sampled hits were of this entry's key.
uint64_t samples_of(const SampledKeys &sampled, const CachedEntry &entry)
{
    const auto found = sampled.find(entry.key);

    return found == sampled.end() ? 0 : found->second;
}

void print_table(const CacheReader &reader, const Arguments &arguments, const SampledKeys &sampled)
{
    fmt::print("{:>8}  {:>10}  {:>14}  {:<7}  {:<3}  {:>7}  {}\n", "bytes", "age", "expires in",
               "state", "hit", "sampled", "key");
    const Summary summary =
        walk(reader, arguments, [&](const CachedEntry &entry, EntryState state, uint64_t now) {
            const auto left = milliseconds_left(entry, now);
            const std::string expires =
                !left ? "never" : fmt::format("{:.1f} s", static_cast<double>(*left) / 1000);

            fmt::print("{:>8}  {:>8} s  {:>14}  {:<7}  {:<3}  {:>7}  {}\n", entry.size,
                       entry.age(now), expires, state_name(state), entry.visited ? "yes" : "no",
                       samples_of(sampled, entry), escape_key(entry.key));
        });

    fmt::print("\n{} {}, {} of them current{}\n", summary.shown,
               summary.shown == 1 ? "entry" : "entries", summary.current,
               summary.complete ? "" : "; there are more");
    if (summary.busy_buckets != 0)
        fmt::print("not shown: {} that {} being written\n",
                   summary.busy_buckets == 1 ? "a bucket"
                                             : fmt::format("{} buckets", summary.busy_buckets),
                   summary.busy_buckets == 1 ? "was" : "were");
}

/// Entry by entry: all of them together may be more than fits into memory.
void print_json(const CacheReader &reader, const Arguments &arguments, const SampledKeys &sampled)
{
    const char *separator = "";

    fmt::print("{{\n    \"instance\": {},\n    \"entries\": [",
               nlohmann::json(arguments.instance).dump());
    const Summary summary =
        walk(reader, arguments, [&](const CachedEntry &entry, EntryState state, uint64_t now) {
            const auto left = milliseconds_left(entry, now);
            const nlohmann::ordered_json one = {
                {"key", escape_key(entry.key)},
                {"size", entry.size},
                {"memory", entry.memory},
                {"flags", entry.flags},
                {"age", entry.age(now)},
                {"expires_in_ms", left ? nlohmann::ordered_json(*left) : nlohmann::ordered_json()},
                {"state", state_name(state)},
                {"current", state == EntryState::current},
                {"visited", entry.visited},
                {"sampled_hits", samples_of(sampled, entry)},
            };

            fmt::print("{}\n        {}", separator, one.dump());
            separator = ",";
        });
    fmt::print("\n    ],\n    \"complete\": {},\n    \"busy_buckets\": {}\n}}\n", summary.complete,
               summary.busy_buckets);
}

void run(const Arguments &arguments)
{
    const CacheReader reader = check(CacheReader::open(arguments.instance));

    const SampleReader samples = check(SampleReader::open(arguments.instance));
    const SampledKeys sampled = check(samples.read()).keys;

    if (arguments.json)
        print_json(reader, arguments, sampled);
    else
        print_table(reader, arguments, sampled);
}

} // namespace

void add_dump(CLI::App &app)
{
    const auto arguments = std::make_shared<Arguments>();
    CLI::App *const command = app.add_subcommand("dump", "Show the keys that are cached");

    command->footer("Examples:\n"
                    "  bmc dump --limit 20\n"
                    "  bmc dump --instance web --match 'user:*' --json");
    command->add_option("--instance", arguments->instance, "Name of the instance")
        ->type_name("NAME")
        ->capture_default_str();
    command
        ->add_option("--match", arguments->match,
                     "Only keys that this pattern with *, ? and [...] matches as a whole")
        ->type_name("GLOB");
    command->add_option("--limit", arguments->limit, "Show this many entries at most")
        ->check(digits)
        ->type_name("N");
    command->add_flag("--json", arguments->json,
                      "Print one JSON object; bytes of keys that are not printable are \\xNN");
    command->callback([arguments] { run(*arguments); });
}

} // namespace bmc::cli
