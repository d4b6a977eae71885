// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/load.h"

#include "bench/loadgen/cpu_time.h"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <mutex>
#include <poll.h>
#include <thread>

namespace loadgen
{

namespace
{

constexpr int tcp_timeout_ms = 5000;

/// Rewrites one line on stderr while the threads run.
class ProgressLine
{
  public:
    explicit ProgressLine(const std::vector<Worker::Progress> &workers)
        : workers_(workers), thread_([this] { loop(); })
    {
    }
    ~ProgressLine()
    {
        {
            const std::lock_guard lock(mutex_);
            done_ = true;
        }
        changed_.notify_one();
        thread_.join();
        fmt::print(stderr, "\r\x1b[K");
        std::fflush(stderr);
    }
    ProgressLine(const ProgressLine &) = delete;
    ProgressLine(ProgressLine &&) = delete;
    ProgressLine &operator=(const ProgressLine &) = delete;
    ProgressLine &operator=(ProgressLine &&) = delete;

  private:
    void loop()
    {
        uint64_t before = 0;
        std::unique_lock lock(mutex_);

        for (int second = 1;
             !changed_.wait_for(lock, std::chrono::seconds(1), [this] { return done_; });
             second++) {
            uint64_t completed = 0;
            uint64_t lost = 0;
            uint64_t wrong = 0;
            for (const Worker::Progress &worker : workers_) {
                completed += worker.completed;
                lost += worker.lost;
                wrong += worker.wrong;
            }
            fmt::print(stderr, "\r\x1b[K{:3} s   {:>9} replies/s   {} lost   {} wrong", second,
                       completed - before, lost, wrong);
            std::fflush(stderr);
            before = completed;
        }
    }

    const std::vector<Worker::Progress> &workers_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool done_ = false;
    std::thread thread_; // last: it uses the members above
};

Result<int64_t> server_cpu_ns(const Options &options)
{
    int64_t sum = 0;

    for (const pid_t pid : options.server_pids) {
        const auto time = cpu_time_ns(pid);
        if (!time)
            return time.error();
        sum += *time;
    }
    return sum;
}

} // namespace

Status store_keys(Run &run)
{
    constexpr size_t window = 512; // keeps both ends busy
    auto writer = TcpWriter::connect(run.tcp, tcp_timeout_ms);
    if (!writer)
        return writer.error();

    std::vector<TcpWriter::Stored> stored;
    for (uint64_t next = 0; next < run.content.key_count() || writer->outstanding() > 0;) {
        for (; next < run.content.key_count() && writer->outstanding() < window; next++)
            if (const auto version = run.versions.begin_set(next))
                writer->set(run.content, next, *version, 0);
        stored.clear();
        if (auto pumped = writer->pump(stored); !pumped)
            return pumped;
        for (const TcpWriter::Stored &set : stored)
            run.versions.end_set(set.key);
        if (run.stop)
            return error("store", "the keys", "interrupted");
        pollfd ready{writer->fd(), writer->events(), 0};
        if (stored.empty() && poll(&ready, 1, tcp_timeout_ms) == 0)
            return error("store the keys at", run.tcp.text,
                         fmt::format("no answer for {} s", tcp_timeout_ms / 1000));
    }
    return Done{};
}

Status probe_udp(const Run &run)
{
    constexpr int tries = 3; // a datagram may be lost
    constexpr int64_t timeout_ns = 1'000'000'000;

    for (int i = 0; i < tries; i++) {
        auto channel = UdpChannel::open(run.udp, 1, timeout_ns);
        if (!channel)
            return channel.error();
        channel->get(run.content, {{0, 0}}, 0);
        if (auto sent = channel->flush(); !sent)
            return sent.error();

        pollfd ready{channel->fd(), POLLIN, 0};
        poll(&ready, 1, static_cast<int>(timeout_ns / 1'000'000));
        std::vector<UdpChannel::Reply> replies;
        if (auto received = channel->receive(replies); !received)
            return received.error();
        if (!replies.empty())
            return Done{};
    }
    return error("get a key over UDP from", run.udp.text,
                 fmt::format("no answer; is memcached started with -U {}?",
                             run.udp.text.substr(run.udp.text.rfind(':') + 1)));
}

Result<Tally> run_load(Run &run, bool progress)
{
    std::vector<Worker> workers;
    std::vector<Worker::Progress> counts(run.options.threads);
    std::vector<std::optional<Error>> errors(run.options.threads);

    for (uint32_t i = 0; i < run.options.threads; i++) {
        auto worker = Worker::make(run, i);
        if (!worker)
            return worker.error();
        workers.push_back(std::move(*worker));
        workers.back().publish_to(counts[i]);
    }
    const auto cpu_before = server_cpu_ns(run.options);
    if (!cpu_before)
        return cpu_before.error();
    {
        std::unique_ptr<ProgressLine> line;
        if (progress)
            line = std::make_unique<ProgressLine>(counts);
        std::vector<std::thread> threads;
        for (size_t i = 0; i < workers.size(); i++)
            threads.emplace_back([&workers, &errors, i] {
                if (auto status = workers[i].run(); !status)
                    errors[i] = status.error();
            });
        for (std::thread &thread : threads)
            thread.join();
    }
    const auto cpu_after = server_cpu_ns(run.options);

    Tally total;
    for (size_t i = 0; i < workers.size(); i++) {
        if (errors[i])
            return *errors[i];
        total.merge(workers[i].tally());
    }
    if (!cpu_after)
        return cpu_after.error();
    total.server_cpu_s = static_cast<double>(*cpu_after - *cpu_before) / 1e9;
    return total;
}

} // namespace loadgen
