// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/worker.h"

#include <algorithm>
#include <fmt/format.h>
#include <poll.h>

namespace loadgen
{

namespace
{

constexpr size_t wrong_replies_kept = 3;
constexpr int64_t ns_per_ms = 1'000'000;
constexpr int64_t ns_per_s = 1'000'000'000;

} // namespace

void Tally::merge(const Tally &other)
{
    requests += other.requests;
    replies += other.replies;
    hits += other.hits;
    misses += other.misses;
    wrong += other.wrong;
    lost += other.lost;
    late += other.late;
    sets += other.sets;
    unsent += other.unsent;
    completed += other.completed;
    duration_s = std::max(duration_s, other.duration_s);
    latency.merge(other.latency);
    for (const WrongReply &reply : other.wrong_replies)
        if (wrong_replies.size() < wrong_replies_kept)
            wrong_replies.push_back(reply);
}

Worker::Worker(Run &run, uint32_t number)
    : run_(run), random_(mix64(run.options.seed) + number), choose_key_(key_choice(run.options)),
      sequential_(run.options.distribution == "sequential"),
      next_key_(run.options.keys / run.options.threads * number), requests_limit_(UINT64_MAX)
{
    const Options &options = run.options;

    if (options.requests > 0) // shares that add up
        requests_limit_ = options.requests * (number + 1) / options.threads -
                          options.requests * number / options.threads;

    if (options.rate > 0) {
        const Arrivals arrivals =
            options.arrivals == "poisson" ? Arrivals::poisson : Arrivals::fixed;
        schedule_.emplace(options.rate / options.threads, arrivals,
                          static_cast<double>(number) / options.threads, random_.next());
    }
}

Result<Worker> Worker::make(Run &run, uint32_t number)
{
    const Options &options = run.options;
    Worker worker(run, number);
    const bool in_parts =
        options.keys_per_get > 1 || max_reply_size(run.content, 1) > max_datagram_size;

    for (uint32_t i = 0; i < options.sockets; i++) {
        auto channel = UdpChannel::open(run.udp, options.outstanding,
                                        options.timeout_ms * ns_per_ms, in_parts);
        if (!channel)
            return channel.error();
        worker.channels_.push_back(std::move(*channel));
    }
    if (options.set_ratio > 0) {
        auto writer = TcpWriter::connect(run.tcp, static_cast<int>(options.timeout_ms));
        if (!writer)
            return writer.error();
        worker.writer_.emplace(std::move(*writer));
    }
    return worker;
}

UdpChannel *Worker::channel_with_room(uint32_t &index)
{
    for (size_t i = 0; i < channels_.size(); i++) {
        index = next_channel_;
        next_channel_ = (next_channel_ + 1) % static_cast<uint32_t>(channels_.size());
        if (channels_[index].has_room())
            return &channels_[index];
    }
    return nullptr;
}

uint64_t Worker::next_key()
{
    if (!sequential_)
        return choose_key_(random_);
    const uint64_t key = next_key_;
    next_key_ = key + 1 < run_.options.keys ? key + 1 : 0;
    return key;
}

bool Worker::finished(int64_t now) const
{
    return now >= end_ns_ || run_.stop || started_ >= requests_limit_;
}

void Worker::start_requests(int64_t now)
{
    uint32_t index = 0;

    while (started_ < requests_limit_ && (!schedule_ || schedule_->due() <= now - begin_ns_)) {
        UdpChannel *channel = channel_with_room(index);
        if (channel == nullptr)
            return;
        started_++;
        if (!schedule_) {
            start_request(*channel, index, 0);
            continue;
        }
        start_request(*channel, index, begin_ns_ + schedule_->due());
        schedule_->advance();
    }
}

void Worker::start_request(UdpChannel &channel, uint32_t index, int64_t start_ns)
{
    if (writer_ && random_.uniform() < run_.options.set_ratio) {
        // A key whose last SET is under way is passed over; if few keys make
        // that frequent, a get is sent instead and the SETs reported are fewer.
        constexpr int tries = 16;
        for (int i = 0; i < tries; i++) {
            const uint64_t key = next_key();
            if (const auto version = run_.versions.begin_set(key)) {
                writer_->set(run_.content, key, *version, index);
                channel.reserve();
                return;
            }
        }
    }
    asked_.clear();
    for (uint32_t i = 0; i < run_.options.keys_per_get; i++) {
        const uint64_t key = next_key();
        asked_.push_back({key, run_.versions.acknowledged(key)});
    }
    channel.get(run_.content, asked_, start_ns);
    tally_.requests++;
}

void Worker::count_wrong(const UdpChannel::Reply &reply, uint64_t wrong_key,
                         std::string_view reason)
{
    tally_.wrong++;
    if (tally_.wrong_replies.size() == wrong_replies_kept)
        return;
    std::string key(run_.content.key_size(), '\0');
    run_.content.write_key(wrong_key, key.data());
    tally_.wrong_replies.push_back({reply.kind == UdpChannel::Kind::stray ? "-" : std::move(key),
                                    std::string(reason), std::string(reply.datagram)});
}

void Worker::take(const UdpChannel::Reply &reply, int64_t now)
{
    if (reply.kind == UdpChannel::Kind::stray) {
        count_wrong(reply, 0, "reply to no request, or a second one to the same");
        return;
    }

    const Request &request = *reply.request;
    expected_.clear();
    for (const Asked &asked : request.keys) {
        // Of what an earlier run stored, the version is not known.
        if (run_.options.stored && asked.oldest == 0)
            expected_.push_back({asked.key, 1, INT32_MAX});
        else
            expected_.push_back({asked.key, asked.oldest, run_.versions.sent(asked.key)});
    }
    const Judgement judgement = judge_get_reply(run_.content, expected_, reply.datagram);
    const bool late = reply.kind == UdpChannel::Kind::late;
    if (late) {
        tally_.late++;
    } else {
        tally_.replies++;
        tally_.latency.record(now - request.start_ns);
    }

    if (judgement.verdict == Verdict::wrong)
        count_wrong(reply, judgement.key, judgement.reason);
    else if (judgement.verdict == Verdict::miss && run_.options.strict)
        count_wrong(reply, judgement.key, "no value, though the key was stored");
    if (!late) {
        if (judgement.verdict != Verdict::wrong) {
            tally_.hits += judgement.hits;
            tally_.misses += judgement.misses;
        }
    }
}

Result<bool> Worker::step(int64_t now)
{
    size_t moved = 0;

    for (UdpChannel &channel : channels_) {
        auto sent = channel.flush();
        if (!sent)
            return sent.error();
        moved += *sent;
    }
    if (writer_) {
        stored_.clear();
        if (auto pumped = writer_->pump(stored_); !pumped)
            return pumped.error();
        for (const TcpWriter::Stored &set : stored_) {
            run_.versions.end_set(set.key);
            channels_[set.tag].release();
        }
        tally_.sets += stored_.size();
        moved += stored_.size();
    }
    for (UdpChannel &channel : channels_) {
        replies_.clear();
        auto received = channel.receive(replies_);
        if (!received)
            return received.error();
        moved += *received;
        const int64_t received_at = *received > 0 ? now_ns() : now;
        for (const UdpChannel::Reply &reply : replies_)
            take(reply, received_at);
        auto lost = channel.expire(now);
        if (!lost)
            return lost.error();
        tally_.lost += *lost;
    }
    return moved > 0;
}

bool Worker::idle() const
{
    return std::all_of(channels_.begin(), channels_.end(),
                       [](const UdpChannel &channel) { return channel.idle(); });
}

void Worker::publish()
{
    if (progress_ == nullptr)
        return;
    progress_->completed.store(tally_.replies + tally_.sets, std::memory_order_relaxed);
    progress_->lost.store(tally_.lost, std::memory_order_relaxed);
    progress_->wrong.store(tally_.wrong, std::memory_order_relaxed);
}

void Worker::wait(int64_t until)
{
    std::vector<pollfd> fds;

    for (const UdpChannel &channel : channels_) {
        fds.push_back({channel.fd(), channel.events(), 0});
        until = std::min(until, channel.next_expiry());
    }
    if (writer_)
        fds.push_back({writer_->fd(), writer_->events(), 0});

    const int64_t left = std::max<int64_t>(0, until - now_ns());
    const timespec timeout{left / ns_per_s, left % ns_per_s};
    ppoll(fds.data(), fds.size(), &timeout, nullptr);
}

Status Worker::run()
{
    auto status = loop();
    if (!status)
        run_.stop = true;
    return status;
}

Status Worker::loop()
{
    // The longest sleep, so that a stop is noticed.
    constexpr int64_t longest_wait_ns = 100 * ns_per_ms;
    // Gets end by their own timeout; SETs over TCP have none.
    const int64_t longest_drain_ns = 10 * ns_per_s + run_.options.timeout_ms * ns_per_ms;

    begin_ns_ = now_ns();
    end_ns_ = begin_ns_ + static_cast<int64_t>(run_.options.seconds * 1e9);
    for (;;) {
        const int64_t now = now_ns();
        if (sending_ && finished(now)) {
            sending_ = false;
            tally_.duration_s = static_cast<double>(now - begin_ns_) / 1e9;
            tally_.completed = tally_.replies + tally_.sets;
            for (; schedule_ && schedule_->due() < now - begin_ns_; schedule_->advance())
                tally_.unsent++;
            end_ns_ = now;
        }
        if (!sending_ && idle())
            break;
        if (sending_)
            start_requests(now);
        else if (now - end_ns_ > longest_drain_ns)
            return error("finish", "the run",
                         fmt::format("{} has left {} SETs unanswered for {} s", run_.tcp.text,
                                     writer_ ? writer_->outstanding() : 0,
                                     longest_drain_ns / ns_per_s));

        auto moved = step(now);
        if (!moved)
            return moved.error();
        publish();
        if (*moved)
            continue;

        int64_t until = now + longest_wait_ns;
        if (sending_) {
            until = std::min(until, end_ns_);
            const bool room = std::any_of(channels_.begin(), channels_.end(),
                                          [](const UdpChannel &c) { return c.has_room(); });
            if (schedule_ && room)
                until = std::min(until, begin_ns_ + schedule_->due());
        }
        wait(until);
    }
    return Done{};
}

} // namespace loadgen
