// SPDX-License-Identifier: BSD-3-Clause
#include "tests/history/workload.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include <fmt/format.h>

#include "bmc/lib/scope_guard.h"
#include "tests/harness/wait.h"

namespace bmc::test::history
{

namespace
{

/// For all operations, whatever the machine.
constexpr std::chrono::minutes limit{10};

void add(Tally &sum, const Tally &tally)
{
    sum.operations += tally.operations;
    sum.lost += tally.lost;
    sum.gets += tally.gets;
    sum.losses.insert(sum.losses.end(), tally.losses.begin(), tally.losses.end());
}

/// Runs clients until all operations are done, each in a thread of its own.
class Threads
{
  public:
    explicit Threads(std::size_t operations) : operations_(operations) {}
    ~Threads() { stop(); }
    Threads(const Threads &) = delete;
    Threads &operator=(const Threads &) = delete;

    template <typename Client>
    void add(Client &client)
    {
        running_++;
        threads_.emplace_back([this, &client] {
            const ScopeGuard ended([this] { running_--; });
            try {
                while (!stopped_ && (done_ < operations_ || held_)) {
                    const std::size_t before = client.tally().operations - client.tally().lost;
                    client.step();
                    done_ += client.tally().operations - client.tally().lost - before;
                }
            } catch (...) {
                const std::lock_guard lock(mutex_);
                if (!failure_)
                    failure_ = std::current_exception();
                stopped_ = true;
            }
        });
    }

    [[nodiscard]] std::size_t done() const { return done_; }
    [[nodiscard]] bool running() const { return running_ > 0; }
    /// Whether to go on when the operations are done.
    void hold(bool on) { held_ = on; }
    void stop() { stopped_ = true; }

    void join()
    {
        for (std::jthread &thread : threads_)
            thread.join();
        if (failure_)
            std::rethrow_exception(failure_);
    }

  private:
    std::size_t operations_;
    std::atomic<std::size_t> done_ = 0;
    std::atomic<std::size_t> running_ = 0;
    std::atomic<bool> held_ = false;
    std::atomic<bool> stopped_ = false;
    std::mutex mutex_;
    std::exception_ptr failure_;
    std::vector<std::jthread> threads_; // ended before what they use goes
};

std::vector<const Protocol *> protocols_of(std::uint32_t writer)
{
    switch (writer % 4) {
    case 0:
        return {&ascii()};
    case 1:
        return {&meta()};
    case 2:
        return {&binary()};
    default:
        return {&ascii(), &meta()}; // binary needs a connection of its own
    }
}

} // namespace

Workload race()
{
    return {.keys = {.hot = 8, .cold = 8, .hot_percent = 50},
            .mix = {.reads = 300, .exptimes = 0},
            .operations = 100'000};
}

Workload flushes()
{
    return {.keys = {.hot = 500, .cold = 1000, .hot_percent = 50},
            .mix = {.reads = 900, .flushes = 50, .exptimes = 0, .strict_flushes = true},
            .tcp_writers = 1,
            .udp_writers = 0,
            .operations = 500'000};
}

Outcome run(Rig &rig, const Workload &workload,
            const std::function<void(const Progress &)> &meanwhile)
{
    const NetNs &where = rig.lab().client();
    const Endpoint server = {Lab::server4};
    const Endpoint server6 = {Lab::server6};
    Random seeds(workload.seed);
    Flushes flushes;
    std::deque<Writer> writers;
    std::deque<UdpReader> readers;
    std::uint32_t client = 0;

    for (std::uint32_t i = 0; i < workload.tcp_writers; i++)
        writers.emplace_back(client++,
                             std::make_unique<TcpConnection>(where, server, workload.patience),
                             protocols_of(i), workload.keys, workload.mix, flushes, seeds());
    for (std::uint32_t i = 0; i < workload.udp_writers; i++)
        writers.emplace_back(client++,
                             std::make_unique<UdpConnection>(where, i % 2 == 0 ? server : server6,
                                                             workload.patience),
                             std::vector<const Protocol *>{&ascii(), &meta(), &binary()},
                             workload.keys, workload.mix, flushes, seeds());
    for (std::uint32_t i = 0; i < workload.udp_readers; i++)
        readers.emplace_back(client++,
                             std::make_unique<UdpConnection>(where, i % 3 == 2 ? server6 : server,
                                                             workload.patience),
                             workload.keys, seeds());

    const Counters before = rig.counters();
    const Time start = now();
    Threads threads(workload.operations);
    threads.hold(static_cast<bool>(meanwhile));
    for (Writer &writer : writers)
        threads.add(writer);
    for (UdpReader &reader : readers)
        threads.add(reader);
    if (meanwhile) {
        try {
            meanwhile([&] { return threads.done(); });
        } catch (...) {
            rig.check_origin(); // the better reason
            throw;
        }
    }
    threads.hold(false);
    // A client would wait for a dead server for ever.
    wait_until(
        "all operations are done",
        [&] {
            rig.check_origin();
            return !threads.running();
        },
        limit);
    threads.join();
    const double seconds = static_cast<double>(now() - start) / 1e9;

    std::deque<Log> logs;
    Tally written;
    Tally read;
    for (Writer &writer : writers) {
        add(written, writer.tally());
        logs.push_back(std::move(writer.log()));
    }
    for (UdpReader &reader : readers) {
        add(read, reader.tally());
        logs.push_back(std::move(reader.log()));
    }
    return {.history = History(std::move(logs)),
            .writers = std::move(written),
            .readers = std::move(read),
            .seconds = seconds,
            .counters = grown(before, rig.counters()),
            .evictions = rig.origin_statistic("evictions")};
}

double kernel_share(const Outcome &outcome)
{
    const auto hits = outcome.counters.find("hit");

    if (hits == outcome.counters.end() || outcome.readers.gets == 0)
        return 0;
    return 100.0 * static_cast<double>(hits->second) / static_cast<double>(outcome.readers.gets);
}

std::uint64_t seed()
{
    const char *given = std::getenv("BMC_HISTORY_SEED");

    return given != nullptr ? std::stoull(given) : std::random_device()();
}

History::Verdict judge_and_report(const char *title, const Workload &workload,
                                  const Outcome &outcome)
{
    History::Verdict verdict = outcome.history.judge();
    std::string text = fmt::format(
        "{}: seed {}: {} operations on {} keys in {:.1f} s: {} commands of writers ({} lost), {} "
        "gets of UDP readers ({} lost), {:.1f} % of them answered by the kernel; {} evictions by "
        "memcached; {} violations, {} values and {} numbers unjudged\n",
        title, workload.seed, verdict.operations, verdict.keys, outcome.seconds,
        outcome.writers.operations, outcome.writers.lost, outcome.readers.gets,
        outcome.readers.lost, kernel_share(outcome), outcome.evictions, verdict.violations,
        verdict.values_unjudged, verdict.numbers_assumed);

    for (const auto &[name, value] : outcome.counters)
        text += fmt::format("    {} {}\n", name, value);
    std::fputs(text.c_str(), stdout);
    return verdict;
}

} // namespace bmc::test::history
