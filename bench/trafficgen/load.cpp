// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/load.h"

#include "bench/trafficgen/device_counts.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <thread>

namespace trafficgen
{

namespace
{

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// Packets that the kernel sends by itself. The call costs some 100 us beside
/// them; its end is looked at in between.
constexpr uint32_t chunk = 100'000;

/// How often a rate is kept to.
constexpr auto pace = std::chrono::milliseconds(1);

/// All replies have come when none has come for so long.
constexpr auto silence = std::chrono::milliseconds(20);
constexpr auto silence_limit = std::chrono::seconds(1);

/// What the threads share.
struct Shared {
    const Generator &generator;
    uint32_t batch;
    double rate; // of one thread
    std::atomic<bool> stop = false;
    std::atomic<uint64_t> offered = 0;
};

Status pin_to(int cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(static_cast<size_t>(cpu), &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0)
        return system_error("run on", fmt::format("CPU {}", cpu), errno);
    return Done{};
}

Status send(Shared &shared, uint32_t packets)
{
    BMC_TRY(shared.generator.send(packets, shared.batch));
    shared.offered += packets;
    return Done{};
}

Status flood(Shared &shared)
{
    while (!shared.stop)
        BMC_TRY(send(shared, chunk));
    return Done{};
}

/// Sends what is due, at most a chunk at once, and sleeps until something is.
Status keep_rate(Shared &shared)
{
    const auto start = Clock::now();
    const auto step = std::max<Clock::duration>(
        pace, std::chrono::duration_cast<Clock::duration>(Seconds(1 / shared.rate)));
    uint64_t sent = 0;

    // Sleeps end on time, not within the usual 50 us.
    prctl(PR_SET_TIMERSLACK, 1);
    for (auto next = start + step; !shared.stop; next += step) {
        std::this_thread::sleep_until(next);
        const double elapsed = Seconds(Clock::now() - start).count();
        const auto due = static_cast<uint64_t>(elapsed * shared.rate) - sent;
        if (due == 0)
            continue;
        const auto packets = static_cast<uint32_t>(std::min<uint64_t>(due, chunk));
        BMC_TRY(send(shared, packets));
        sent += packets;
    }
    return Done{};
}

Status work(Shared &shared, std::optional<int> cpu)
{
    if (cpu)
        BMC_TRY(pin_to(*cpu));
    return shared.rate > 0 ? keep_rate(shared) : flood(shared);
}

/// The sending threads; they end with this object.
class Threads
{
  public:
    Threads(Shared &shared, const std::vector<int> &cpus)
        : shared_(shared), errors_(std::max<size_t>(cpus.size(), 1))
    {
        for (size_t i = 0; i < errors_.size(); i++)
            threads_.emplace_back(
                [this, i, cpu = cpus.empty() ? std::nullopt : std::optional(cpus[i])] {
                    if (auto status = work(shared_, cpu); !status) {
                        errors_[i] = status.error();
                        shared_.stop = true;
                    }
                });
    }
    Threads(const Threads &) = delete;
    Threads &operator=(const Threads &) = delete;
    ~Threads() { static_cast<void>(join()); }

    Status join()
    {
        shared_.stop = true;
        for (std::thread &thread : threads_)
            thread.join();
        threads_.clear();
        for (const auto &error : errors_)
            if (error)
                return *error;
        return Done{};
    }

  private:
    Shared &shared_;
    std::vector<std::optional<Error>> errors_;
    std::vector<std::thread> threads_;
};

Status print_progress(int second, const Shared &shared, uint64_t &offered, uint64_t &frames)
{
    const auto counters = shared.generator.counters();
    if (!counters)
        return counters.error();
    fmt::print(stderr, "\r\x1b[K{:3} s   {:>9} sent/s   {:>9} replies/s", second,
               shared.offered - offered, counters->frames - frames);
    std::fflush(stderr);
    offered = shared.offered;
    frames = counters->frames;
    return Done{};
}

/// Until the time is over, a signal comes or a thread has failed.
Status watch(const Shared &shared, Clock::time_point end, EndSignals &signals, bool progress)
{
    constexpr auto tick = std::chrono::milliseconds(100);
    constexpr int ticks_a_second = 10;
    uint64_t offered = 0;
    uint64_t frames = 0;

    for (int ticks = 1; !shared.stop && Clock::now() < end; ticks++) {
        if (signals.wait(std::min<Clock::duration>(tick, end - Clock::now())))
            break;
        if (progress && ticks % ticks_a_second == 0)
            BMC_TRY(print_progress(ticks / ticks_a_second, shared, offered, frames));
    }
    if (progress) {
        fmt::print(stderr, "\r\x1b[K");
        std::fflush(stderr);
    }
    return Done{};
}

Result<trafficgen_counters> wait_for_replies(const Generator &generator)
{
    const auto end = Clock::now() + silence_limit;

    for (auto before = generator.counters();;) {
        std::this_thread::sleep_for(silence);
        auto now = generator.counters();
        if (!before || !now || now->frames == before->frames || Clock::now() > end)
            return now;
        before = now;
    }
}

void subtract(trafficgen_counters &from, const trafficgen_counters &what)
{
    from.frames -= what.frames;
    from.bytes -= what.bytes;
    from.values -= what.values;
    from.ends -= what.ends;
    from.further -= what.further;
    from.malformed -= what.malformed;
    from.other -= what.other;
}

} // namespace

Result<Tally> run_load(const Generator &generator, const std::string &interface, const Load &load,
                       EndSignals &signals, bool progress)
{
    const auto threads = static_cast<double>(std::max<size_t>(load.cpus.size(), 1));
    Shared shared{generator, load.batch, load.rate / threads};
    Tally tally;

    const auto counted_before = generator.counters();
    if (!counted_before)
        return counted_before.error();
    const auto refused_before = refused_packets(interface);
    if (!refused_before)
        return refused_before.error();
    const auto cpu_before = cpu_time_ns(load.server_threads);
    if (!cpu_before)
        return cpu_before.error();

    const auto start = Clock::now();
    {
        Threads sending(shared, load.cpus);
        BMC_TRY(watch(shared,
                      start + std::chrono::duration_cast<Clock::duration>(Seconds(load.seconds)),
                      signals, progress));
        BMC_TRY(sending.join());
    }
    tally.duration_s = Seconds(Clock::now() - start).count();
    tally.offered = shared.offered;

    const auto counted = wait_for_replies(generator);
    if (!counted)
        return counted.error();
    tally.replies = *counted;
    subtract(tally.replies, *counted_before);
    const auto cpu_after = cpu_time_ns(load.server_threads);
    if (!cpu_after)
        return cpu_after.error();
    tally.server_cpu_s = static_cast<double>(*cpu_after - *cpu_before) / 1e9;
    const auto refused = refused_packets(interface);
    if (!refused)
        return refused.error();
    if (*refused && *refused_before)
        tally.refused = **refused - **refused_before;
    return tally;
}

} // namespace trafficgen
