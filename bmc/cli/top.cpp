// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/top.h"

#include <chrono>
#include <ctime>
#include <memory>
#include <optional>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bmc/cli/commands.h"
#include "bmc/cli/end_signals.h"
#include "bmc/cli/screen.h"
#include "bmc/lib/attach.h"
#include "bmc/lib/instance.h"

namespace bmc::cli
{

namespace
{

using nlohmann::ordered_json;
using std::chrono::milliseconds;

struct Arguments {
    std::string instance = default_instance;
    double interval = 1;
    bool once = false;
    bool json = false;
};

constexpr double interval_min = 0.1;
constexpr double interval_max = 3600;

/// Buckets that are looked at each time: some 50 ms of work.
constexpr uint32_t buckets_a_look = 1024;
constexpr size_t keys_shown = 10;
constexpr size_t plain_width = 80;

/// An instance, looked at again and again.
class Watched
{
  public:
    Watched(const std::string &instance, double interval)
        : folder_(instance_folder(BMC_PIN_ROOT, instance)), instance_(instance),
          stats_(check(StatsReader::open(instance))), samples_(check(SampleReader::open(instance))),
          cache_(check(CacheReader::open(instance))), id_(check(instance_id(folder_))),
          interval_(static_cast<milliseconds::rep>(interval * 1000)), before_(take())
    {
    }

    milliseconds interval() const { return interval_; }

    /// What happened since the last call, or since the beginning.
    TopView look()
    {
        Snapshot now = take();
        TopView view =
            compare(before_, now, scan_memory(cache_, buckets_a_look, round_++), keys_shown);

        before_ = std::move(now);
        return view;
    }

  private:
    Snapshot take() const
    {
        const auto id = instance_id(folder_);
        if (!id || *id != id_)
            fail(Error{"go on", "", 0, fmt::format("'{}' was detached", instance_), {}});

        timespec time = {};
        clock_gettime(CLOCK_MONOTONIC, &time);
        Snapshot snapshot;
        snapshot.time_ns = static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 +
                           static_cast<uint64_t>(time.tv_nsec);
        snapshot.stats = check(stats_.read());
        snapshot.stats.origin_alive = origin_holds(folder_);
        snapshot.samples = check(samples_.read());
        return snapshot;
    }

    std::string folder_;
    std::string instance_;
    StatsReader stats_;
    SampleReader samples_;
    CacheReader cache_;
    uint64_t id_;
    milliseconds interval_;
    uint32_t round_ = 0;
    Snapshot before_;
};

ordered_json to_json(const std::optional<double> &value)
{
    return value ? ordered_json(*value) : ordered_json();
}

ordered_json to_json(const std::vector<Rate> &rates)
{
    ordered_json all = ordered_json::object();

    for (const Rate &rate : rates)
        all[rate.name] = rate.per_second;
    return all;
}

ordered_json to_json(const Latency &latency)
{
    const auto below = [&latency](double share) {
        const auto us = latency.below(share);
        return us ? ordered_json(*us) : ordered_json();
    };

    return {{"samples", latency.total()},
            {"p50_below_us", below(0.5)},
            {"p90_below_us", below(0.9)},
            {"p99_below_us", below(0.99)},
            {"p999_below_us", below(0.999)}};
}

void print_json(const TopView &view)
{
    ordered_json keys = ordered_json::array();
    ordered_json classes = ordered_json::array();

    for (const HotKey &key : view.hottest)
        keys.push_back({{"key", key.key}, {"share", key.share}});
    for (const SizeClass &one : view.memory.classes)
        classes.push_back(
            {{"text_up_to", one.up_to}, {"entries", one.entries}, {"bytes", one.bytes}});
    const ordered_json report = {
        {"instance", view.instance},
        {"origin_alive", view.origin_alive},
        {"seconds", view.seconds},
        {"hit_ratio", to_json(view.hit_ratio)},
        {"total_hit_ratio", to_json(view.total_hit_ratio)},
        {"per_second", to_json(view.rates)},
        {"misses_per_second", to_json(view.misses)},
        {"miss_latency", to_json(view.latency)},
        {"total_miss_latency", to_json(view.total_latency)},
        {"sampled_hits", view.sampled_hits},
        {"hottest_keys", std::move(keys)},
        {"memory", {{"estimated", view.memory.estimated}, {"classes", std::move(classes)}}},
    };
    fmt::print("{}\n", report.dump(4));
}

void show_once(Watched &watched, bool json)
{
    const timespec pause = {.tv_sec = watched.interval().count() / 1000,
                            .tv_nsec = watched.interval().count() % 1000 * 1'000'000};

    nanosleep(&pause, nullptr);
    const TopView view = watched.look();
    if (json) {
        print_json(view);
        return;
    }
    for (const TopLine &line : layout(view, plain_width))
        fmt::print("{}\n", line.text);
}

/// Until `q` or a signal.
void show(Watched &watched)
{
    const EndSignals signals;
    Screen screen = check(Screen::open());
    const std::string last = fmt::format("every {:.1f} s; q quits",
                                         static_cast<double>(watched.interval().count()) / 1000);
    TopView view = watched.look();

    while (!signals.seen()) {
        screen.draw(layout(view, Screen::width()), last);
        switch (Screen::wait(watched.interval())) {
        case Screen::Event::quit:
            return;
        case Screen::Event::resized:
            break;
        case Screen::Event::timeout:
            view = watched.look();
            break;
        }
    }
}

void run(const Arguments &arguments)
{
    Watched watched(arguments.instance, arguments.interval);

    if (arguments.once || arguments.json || isatty(STDOUT_FILENO) == 0)
        show_once(watched, arguments.json);
    else
        show(watched);
}

} // namespace

void add_top(CLI::App &app)
{
    const auto arguments = std::make_shared<Arguments>();
    CLI::App *const command = app.add_subcommand(
        "top", "Show live what is hit and missed, how often, which keys, in which memory");

    command->footer("Without a terminal as its output it shows all once. q quits.\n"
                    "Examples:\n"
                    "  bmc top\n"
                    "  bmc top --instance web --interval 5\n"
                    "  bmc top --once --json");
    command->add_option("--instance", arguments->instance, "Name of the instance")
        ->type_name("NAME")
        ->capture_default_str();
    command
        ->add_option("--interval", arguments->interval,
                     "Time from one look to the next, 0.1 to 3600 seconds")
        ->check(CLI::Range(interval_min, interval_max))
        ->type_name("SECONDS")
        ->capture_default_str();
    command->add_flag("--once", arguments->once, "Show one interval as plain text, then end");
    command->add_flag("--json", arguments->json, "Print one JSON object of one interval");
    command->callback([arguments] { run(*arguments); });
}

} // namespace bmc::cli
