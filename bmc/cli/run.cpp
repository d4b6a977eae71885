// SPDX-License-Identifier: BSD-3-Clause
#include <atomic>
#include <cerrno>
#include <memory>
#include <poll.h>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bmc/cli/attach.h"
#include "bmc/cli/commands.h"
#include "bmc/cli/detach.h"
#include "bmc/cli/end_signals.h"
#include "bmc/cli/metrics_server.h"
#include "bmc/cli/notify.h"
#include "bmc/lib/devices.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/metrics.h"
#include "bmc/lib/origin.h"
#include "bmc/lib/samples.h"
#include "bmc/lib/stats.h"

namespace bmc::cli
{

namespace
{

/// How long a new origin, or a detach by somebody else, may go unnoticed.
constexpr timespec tick = {.tv_sec = 1, .tv_nsec = 0};

constexpr const char *waiting_for_origin = "attached; waiting for memcached-sr";

/// Says it, and returns whether there is an origin.
bool report_changes(OriginWatch &watch, bool &explained)
{
    constexpr const char *unseen = "; it is not seen from here (another pid namespace, or no "
                                   "right to look), so its lock is looked at once a second";

    for (;;) {
        switch (check(watch.look())) {
        case OriginWatch::Change::none:
            return watch.alive();
        case OriginWatch::Change::started:
            say(fmt::format("origin with pid {} started{}", watch.origin().pid,
                            watch.wakeup() >= 0 || explained ? "" : unseen));
            explained = explained || watch.wakeup() < 0;
            notify_status(fmt::format("attached; memcached-sr has pid {}", watch.origin().pid));
            break;
        case OriginWatch::Change::ended:
            say(fmt::format("origin with pid {} ended", watch.origin().pid));
            notify_status(waiting_for_origin);
            break;
        }
    }
}

/// Says which interfaces are gone, each once, and ends what is attached to them.
class InterfaceWatch
{
  public:
    explicit InterfaceWatch(const Attached &attached)
        : folder_(attached.folder), devices_(check(DeviceMap::open(attached.folder))),
          interfaces_(attached.record.interface,
                      attached.record.interface + attached.record.interface_count)
    {
    }

    void look()
    {
        std::erase_if(interfaces_, [this](const InterfaceRecord &interface) {
            if (devices_.has(interface.ifindex))
                return false;
            detach_links(folder_, interface.ifindex);
            const std::string line = fmt::format(
                "{} is gone, or in another network namespace: nothing is answered there; attach "
                "again when it is back",
                interface.name);
            say(line);
            notify_status(line);
            return true;
        });
    }

  private:
    std::string folder_;
    DeviceMap devices_;
    std::vector<InterfaceRecord> interfaces_; ///< that are still there
};

/// Says what happens until a signal comes; fails if the instance goes.
void watch(const std::string &instance, const Attached &attached, EndSignals &signals,
           std::atomic<bool> &origin_attached)
{
    auto watch = OriginWatch::open(attached.folder);
    if (!watch)
        fail(watch.error().code == ENOENT ? detached_by_another(instance) : watch.error());
    const sigset_t waiting = signals.hold();
    bool explained = false;
    InterfaceWatch interfaces(attached);

    while (!signals.seen()) {
        const auto id = instance_id(attached.folder);
        if (!id && id.error().code != ENOENT)
            fail(id.error());
        if (!id || *id != attached.id)
            fail(detached_by_another(instance));
        interfaces.look();
        origin_attached = report_changes(*watch, explained);

        pollfd wakeup = {watch->wakeup(), POLLIN, 0};
        if (ppoll(&wakeup, 1, &tick, &waiting) < 0 && errno != EINTR)
            fail(Error{"wait for events", "", errno, {}, {}});
    }
}

Result<std::string> scrape(const std::string &instance, bool origin_attached)
{
    const auto reader = StatsReader::open(instance);
    auto stats = reader ? reader->read() : reader.error();

    if (!stats)
        return stats.error();
    stats->origin_alive = origin_attached;
    const auto samples = SampleReader::open(instance);
    const auto latency = samples ? samples->read_latency() : samples.error();
    if (!latency)
        return latency.error();
    return metrics_text(*stats, *latency);
}

void run(const Settings &settings)
{
    const std::string &instance = settings.attach.instance;
    std::atomic<bool> origin_attached = false;
    std::unique_ptr<MetricsServer> metrics;
    std::string metrics_place;
    EndSignals signals;

    if (settings.metrics) {
        metrics = check(MetricsServer::open(*settings.metrics));
        metrics_place = settings.metrics->text();
    }
    const Attached attached = attach_and_report(settings, signals, true);

    if (metrics) {
        metrics->set_source([&] { return scrape(instance, origin_attached); });
        say(fmt::format("metrics are at http://{}/metrics", metrics_place));
    }
    notify_ready(waiting_for_origin);
    watch(instance, attached, signals, origin_attached);
    notify_stopping();
    if (settings.keep)
        say(fmt::format("'{0}' stays attached; remove it with `bmc detach --instance {0}`",
                        instance));
    else
        report(check(detach(instance, Features(), BMC_PIN_ROOT, attached.id)), instance);
}

} // namespace

void add_run(CLI::App &app)
{
    CLI::App *const command = app.add_subcommand(
        "run", "Attach, say when origins come and go, detach on SIGTERM, SIGINT or SIGHUP");
    const auto options = std::make_shared<SettingOptions>(*command, SettingScope::run);

    command->footer("Examples:\n"
                    "  bmc run --interface eth0\n"
                    "  bmc run --interface eth0 --instance web --keep\n"
                    "  bmc run --interface eth0 --metrics 9250\n"
                    "  bmc run --config /etc/bmc/web.toml");
    command->callback([options] { run(choose(*options)); });
}

} // namespace bmc::cli
