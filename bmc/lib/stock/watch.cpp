// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/watch.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/lib/process.h"
#include "bmc/lib/stock/blind_spots.h"
#include "bmc/lib/stock/hooks.h"

namespace bmc
{

namespace
{

/// How long memcached may take to say something of itself.
constexpr std::chrono::seconds answer_limit{2};
/// Pieces of a dump that are read in one go, of up to 64 KiB each.
constexpr int pieces_at_once = 64;

/// A number of memcached's statistics; an error if it is not there.
Result<int64_t> number_of(const ServerStats &stats, const std::string &name)
{
    const auto found = stats.find(name);
    int64_t value = 0;

    if (found == stats.end() ||
        std::from_chars(found->second.data(), found->second.data() + found->second.size(), value)
                .ec != std::errc())
        return Error{"understand", "memcached's statistics", 0,
                     fmt::format("it says no number of '{}'", name), {}};
    return value;
}

std::string count_text(size_t count, std::string_view what)
{
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

} // namespace

StockWatch::StockWatch(std::string folder, std::vector<uint16_t> ports,
                       const StockOptions &options, SharedState shared, Connections connections,
                       StockRecordMap map)
    : folder_(std::move(folder)), ports_(std::move(ports)), options_(options),
      shared_(std::move(shared)), connections_(std::move(connections)), map_(std::move(map))
{
}

Result<StockWatch> StockWatch::open(const std::string &folder, std::vector<uint16_t> ports,
                                    const StockOptions &options)
{
    auto shared = SharedState::open(folder);
    if (!shared)
        return shared.error();
    auto connections = Connections::open(folder);
    if (!connections)
        return connections.error();
    auto map = StockRecordMap::open(folder);
    if (!map)
        return map.error();
    auto record = map->load();
    if (!record)
        return record.error();

    StockWatch watch(folder, std::move(ports), options, std::move(*shared),
                     std::move(*connections), std::move(*map));
    watch.record_ = *record;
    watch.record_.run_pid = static_cast<uint32_t>(getpid());
    BMC_TRY(watch.enter(StockPhase::waiting));
    return watch;
}

Status StockWatch::enter(StockPhase phase)
{
    record_.phase = phase;
    return map_.save(record_);
}

std::vector<uint16_t> StockWatch::watched() const
{
    return {record_.watched, record_.watched + record_.watched_count};
}

void StockWatch::say(std::string line)
{
    lines_.push_back(std::move(line));
}

std::array<int, 2> StockWatch::wakeups() const
{
    return {memcached_ ? memcached_->process.get() : -1,
            record_.phase == StockPhase::dumping && client_ ? client_->fd() : -1};
}

std::string StockWatch::state() const
{
    switch (record_.phase) {
    case StockPhase::covering:
        return fmt::format("waiting for {} to memcached that cannot be followed to end",
                           count_text(record_.blind, "connection"));
    case StockPhase::dumping:
        return "reading the exptimes of memcached's items";
    case StockPhase::serving:
        return fmt::format("serving memcached with pid {}", memcached_->pid);
    case StockPhase::waiting:
        break;
    }
    return "waiting for memcached";
}

/// What kept this memcached from being served is said once; the next second it is tried
/// again.
void StockWatch::give_up(const Error &error)
{
    const std::string problem = error.line();

    if (problem != problem_)
        say(problem);
    problem_ = problem;
    shared_.stop_serving();
    memcached_.reset();
    client_.reset();
}

Result<std::vector<std::string>> StockWatch::work()
{
    Status done = Done{};

    if (memcached_ && ended(memcached_->process)) {
        /* The kernel has taken its sockets out already. */
        say(fmt::format("memcached with pid {} ended", memcached_->pid));
        shared_.stop_serving();
        shared_.set_origin_pid(0);
        memcached_.reset();
        client_.reset();
        BMC_TRY(enter(StockPhase::waiting));
    }
    if (!memcached_)
        done = look_for_memcached();
    if (done && memcached_ && !shared_.is_covered())
        done = cover();
    if (done && record_.phase == StockPhase::covering && shared_.is_covered())
        done = start_dump();
    if (done && record_.phase == StockPhase::dumping)
        done = read_dump();
    if (!done && memcached_ && ended(memcached_->process))
        done = Done{}; /* the next call says so */
    if (!done) {
        give_up(done.error());
        BMC_TRY(enter(StockPhase::waiting));
    }
    return std::exchange(lines_, {});
}

Status StockWatch::look_for_memcached()
{
    auto found = find_memcached(ports_);

    if (!found)
        return found.error();
    if (!*found)
        return Done{};
    return begin(std::move(**found));
}

Result<MemcachedClient> StockWatch::connect(const Memcached &memcached)
{
    const auto listening = std::find_if(
        memcached.sockets.begin(), memcached.sockets.end(),
        [](const ServerSocket &socket) { return socket.protocol == IPPROTO_TCP; });

    if (listening == memcached.sockets.end())
        return Error{"serve", fmt::format("memcached with pid {}", memcached.pid), 0,
                     "it has no TCP port by which to ask it for its items", {}};
    return MemcachedClient::connect(*listening, answer_limit);
}

/*
 * memcached answers when it has bound all its sockets: it binds them before it starts its
 * workers. So they are looked for once more after its first answer.
 */
Status StockWatch::begin(Memcached memcached)
{
    auto client = connect(memcached);
    if (!client)
        return client.error();
    const auto settings = client->stats("settings");
    if (!settings)
        return settings.error();
    client_ = std::move(*client);

    auto again = open_memcached(memcached.pid, shared_.control().netns_cookie);
    if (!again)
        return again.error();
    if (!*again)
        return Done{}; /* it has ended */
    memcached = std::move(**again);
    const auto spots = find_blind_spots(memcached, watched(), *settings);
    if (!spots.empty() && !options_.accept_blind_spots)
        return blind(memcached.pid, spots);
    const std::string text = fmt::format("{}", fmt::join(spots, ", "));
    record_.blind_spots[text.copy(record_.blind_spots, sizeof record_.blind_spots - 1)] = '\0';

    /* Nothing of it was answered so far: it has no socket in the map. */
    shared_.stop_serving();
    BMC_TRY(attach_filters(folder_, memcached));
    shared_.set_origin_pid(memcached.pid);
    const auto offset = ask_wall_offset();
    if (!offset)
        return offset.error();
    wall_offset_ = *offset;
    shared_.set_wall_offset(wall_offset_);

    const std::string line = fmt::format("memcached with pid {} found{}{}", memcached.pid,
                                         text.empty() ? "" : "; not seen: ", text);
    memcached_ = std::move(memcached);
    record_.starts++;
    say(line);
    return enter(StockPhase::covering);
}

/*
 * memcached's clock is at most about a second behind CLOCK_MONOTONIC, and both count
 * whole seconds: what is found is within BMC_WALL_UNCERTAINTY_S of the truth.
 */
Result<int64_t> StockWatch::ask_wall_offset()
{
    const int64_t before = monotonic_seconds();
    const auto stats = client_->stats();

    if (!stats)
        return stats.error();
    const auto time = number_of(*stats, "time");
    if (!time)
        return time.error();
    if (monotonic_seconds() > before + 1)
        return Error{"ask memcached for", "its time of day", ETIMEDOUT, "it answers slowly", {}};
    return *time - before;
}

Status StockWatch::cover()
{
    if (record_.phase != StockPhase::covering) {
        say("a connection to memcached cannot be followed any further: nothing is answered");
        shared_.set_fills(false);
        BMC_TRY(enter(StockPhase::covering));
    }
    if (!client_) {
        auto client = connect(*memcached_);
        if (!client)
            return client.error();
        client_ = std::move(*client);
    }
    const uint64_t untracked = shared_.untracked();
    const auto blind = connections_.blind(watched());
    if (!blind)
        return blind.error();
    if (blind->empty()) {
        shared_.cover(untracked, options_.guard);
        record_.covers++;
        record_.blind = 0;
        return enter(StockPhase::covering);
    }
    /* Our own is new: if it is not followed, none is. */
    if (std::any_of(blind->begin(), blind->end(), [this](const ListedSocket &one) {
            return one.peer_port == client_->port() && one.peer == one.local;
        }))
        return Error{"follow", "new connections to memcached", 0,
                     "is its cgroup not below the root of cgroup2 that is seen from here?", {}};
    if (record_.blind == blind->size() && !options_.reset_connections)
        return Done{};
    record_.blind = blind->size();

    constexpr size_t most_shown = 3;
    std::vector<std::string> peers;
    for (const ListedSocket &one : *blind)
        if (peers.size() < most_shown)
            peers.push_back(one.peer_text());
    const std::string which = fmt::format(
        "{} to memcached cannot be followed (from {}{})", count_text(blind->size(), "connection"),
        fmt::join(peers, ", "), blind->size() > peers.size() ? ", ..." : "");
    if (options_.reset_connections) {
        for (const ListedSocket &connection : *blind)
            BMC_TRY(reset_connection(connection));
        say(which + ": reset");
    } else {
        say(which + ": nothing is answered before the last of them has ended; restart the "
                    "clients, or use --reset-connections");
    }
    return enter(StockPhase::covering);
}

/*
 * What was stored before all connections were followed, or set off: items with an
 * exptime, a delayed flush_all.
 */
Status StockWatch::start_dump()
{
    const auto settings = client_->stats("settings");
    if (!settings)
        return settings.error();
    const auto oldest = number_of(*settings, "oldest");
    if (!oldest)
        return oldest.error();
    const auto stats = client_->stats();
    if (!stats)
        return stats.error();
    const auto time = number_of(*stats, "time");
    if (!time)
        return time.error();
    const auto uptime = number_of(*stats, "uptime");
    if (!uptime)
        return uptime.error();
    if (*oldest != 0) /* in seconds since its start */
        shared_.add_flush(*time - *uptime + *oldest);

    record_.items = 0;
    if (options_.max_age)
        return serve();
    BMC_TRY(client_->start_dump());
    return enter(StockPhase::dumping);
}

Status StockWatch::read_dump()
{
    for (int i = 0; i < pieces_at_once; i++) {
        const auto done = client_->read_dump([this](std::string_view key, int64_t expires) {
            record_.items++;
            if (expires >= 0)
                shared_.add_expiry(key, expires);
        });
        if (!done && done.error().code == EBUSY) /* somebody else's dump */
            return enter(StockPhase::covering);
        if (!done) {
            Error error = done.error();
            error.hint += "; without a list of its items, --max-age bounds their age";
            return error;
        }
        if (*done)
            return serve();
    }
    return Done{};
}

Status StockWatch::serve()
{
    const auto offset = ask_wall_offset();

    if (!offset)
        return offset.error();
    if (std::abs(*offset - wall_offset_) >= BMC_WALL_UNCERTAINTY_S)
        return Error{"know", "memcached's time of day", 0,
                     "its clock has moved against CLOCK_MONOTONIC", {}};
    BMC_TRY(enter_sockets(folder_, *memcached_));
    shared_.set_fills(true);
    client_.reset();
    problem_.clear();
    BMC_TRY(enter(StockPhase::serving));
    say(options_.max_age
            ? fmt::format("serving memcached with pid {}, values up to {} s old", memcached_->pid,
                          format_seconds(*options_.max_age))
            : fmt::format("serving memcached with pid {}, exptimes of {} read", memcached_->pid,
                          count_text(record_.items, "item")));
    return Done{};
}

} // namespace bmc
