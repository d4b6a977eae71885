// SPDX-License-Identifier: BSD-3-Clause
#include "tests/history/log.h"

#include <algorithm>
#include <ctime>
#include <unordered_set>

#include <fmt/format.h>

#include "tests/history/value.h"

namespace bmc::test::history
{

namespace
{

constexpr State text_mark = State{1} << 63;
constexpr unsigned client_shift = 40;
constexpr std::size_t messages_max = 20;
/// In messages, instead of a client's number.
constexpr std::uint32_t restart_of_origin = 1000;
constexpr std::uint32_t flush_all = 2000;
constexpr Time second = 1'000'000'000;

/// The write that made a text of several parts what it is. nullopt if one of
/// the parts was never written.
std::optional<Op> last_write(State text, const std::vector<State> &parts,
                             const std::unordered_map<State, Op> &writes)
{
    Op last{.kind = Op::Kind::wrote, .state = text, .start = 0, .end = 0};

    for (const State state : parts) {
        const auto found = writes.find(state);
        if (found == writes.end())
            return std::nullopt;
        const Op &write = found->second;
        if (write.start >= last.start)
            last.client = write.client;
        last.start = std::max(last.start, write.start);
        last.end = std::max(last.end, write.end);
        // Appending and prepending keep the exptime.
        if (kind_of(state) == Part::base)
            last.expires = write.expires;
    }
    return last;
}

} // namespace

Time now()
{
    timespec time{};

    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * second + time.tv_nsec;
}

Op Log::op(Op::Kind kind, State state, Interval when) const
{
    return {.kind = kind, .state = state, .start = when.start, .end = when.end, .client = client_};
}

State Log::state_of(const std::vector<State> &parts)
{
    if (parts.empty())
        return absent;
    if (parts.size() == 1 && (is_counter(parts[0]) || kind_of(parts[0]) == Part::base))
        return parts[0];
    const State next = text_mark | State{client_} << client_shift | texts_.size();
    return texts_.emplace(parts, next).first->second;
}

void Log::saw(std::size_t key, Interval when, const std::vector<State> &parts)
{
    records_.push_back({key, false, op(Op::Kind::saw, state_of(parts), when)});
}

void Log::wrote(std::size_t key, Interval when, State state, bool certain, std::int32_t exptime)
{
    Op write = op(Op::Kind::wrote, state, when);

    write.certain = certain;
    if (exptime != 0 && when.end != never)
        write.expires = when.end + exptime * second + expiry_slack;
    records_.push_back({key, false, write});
}

void Log::removed(std::size_t key, Interval when, bool certain)
{
    wrote(key, when, absent, certain);
}

void Log::touched(std::size_t key, Interval when, std::int32_t exptime,
                  const std::optional<std::vector<State>> &parts)
{
    Op touch = op(Op::Kind::touched, parts ? state_of(*parts) : absent, when);

    if (exptime != 0 && when.end != never)
        touch.expires = when.end + exptime * second + expiry_slack;
    records_.push_back({key, false, touch});
}

void Log::moved(std::size_t key, Interval when)
{
    records_.push_back({key, true, op(Op::Kind::wrote, absent, when)});
}

History::History(std::deque<Log> logs)
{
    std::map<std::vector<State>, State> texts;
    std::size_t size = 0;

    for (const Log &log : logs)
        size += log.records_.size();
    records_.reserve(size);
    for (Log &log : logs) {
        // One number for a text, whoever saw it.
        std::unordered_map<State, State> common;
        for (const auto &[parts, state] : log.texts_) {
            const State shared = texts.emplace(parts, state).first->second;
            common.emplace(state, shared);
            parts_.emplace(shared, parts);
        }
        for (Log::Record &record : log.records_) {
            if ((record.op.state & text_mark) != 0)
                record.op.state = common.at(record.op.state);
            records_.push_back(record);
        }
        flushes_.insert(flushes_.end(), log.flushes_.begin(), log.flushes_.end());
        wrong_.insert(wrong_.end(), log.wrong_.begin(), log.wrong_.end());
        log = Log(log.client_);
    }
    std::stable_sort(records_.begin(), records_.end(),
                     [](const auto &a, const auto &b) { return a.key < b.key; });
    std::sort(flushes_.begin(), flushes_.end(),
              [](const Interval &a, const Interval &b) { return a.start < b.start; });
}

void History::add_flushes(std::vector<Op> &ops) const
{
    const std::size_t size = ops.size();

    for (std::size_t i = 0; i < size; i++) {
        const Op op = ops[i];
        if (op.kind != Op::Kind::wrote || op.state == absent)
            continue;
        const auto flush =
            std::upper_bound(flushes_.begin(), flushes_.end(), op.end,
                             [](Time time, const Interval &later) { return time < later.start; });
        if (flush != flushes_.end())
            ops.push_back({.kind = Op::Kind::touched,
                           .state = op.state,
                           .start = flush->start,
                           .end = flush->end,
                           .expires = flush->end,
                           .client = flush_all});
    }
}

std::vector<Op> History::ops_of_key(std::span<const Log::Record> records, Verdict &verdict) const
{
    std::vector<Op> ops;
    std::unordered_map<State, Op> writes;
    std::unordered_set<State> seen;
    std::unordered_set<State> made_a_text;
    bool moved = false;

    for (const Log::Record &record : records) {
        if (record.is_move) {
            moved = true;
            continue;
        }
        const Op &op = record.op;
        if (op.kind == Op::Kind::wrote && op.state != absent)
            writes.emplace(op.state, op);
        if (op.kind == Op::Kind::saw && op.state != absent)
            seen.insert(op.state);
        // Segments come below: what they made may have been seen in a text.
        if (op.kind != Op::Kind::wrote || op.state == absent || is_counter(op.state) ||
            kind_of(op.state) == Part::base)
            ops.push_back(op);
    }
    for (const State state : seen) {
        const auto text = parts_.find(state);
        if (text != parts_.end()) {
            if (const auto write = last_write(state, text->second, writes))
                ops.push_back(*write);
            made_a_text.insert(text->second.front());
            made_a_text.insert(text->second.back());
        } else if (moved && is_counter(state) && !writes.contains(state) &&
                   writes.contains(counter_base(state))) {
            Op write = writes.at(counter_base(state));
            write.state = state;
            write.end = never;
            write.expires = never;
            ops.push_back(write);
            verdict.numbers_assumed++;
        }
    }
    for (const auto &[state, write] : writes) {
        if (!is_counter(state) && kind_of(state) != Part::base && !made_a_text.contains(state))
            ops.push_back(write);
    }
    add_flushes(ops);
    for (const Interval &restart : restarts_)
        ops.push_back({.kind = Op::Kind::wrote,
                       .state = absent,
                       .start = restart.start,
                       .end = restart.end,
                       .client = restart_of_origin});
    return ops;
}

History::Verdict History::judge() const
{
    Verdict verdict;

    verdict.operations = records_.size();
    verdict.violations = wrong_.size();
    for (std::size_t i = 0; i < wrong_.size() && i < messages_max; i++)
        verdict.messages.push_back(wrong_[i]);
    for (auto begin = records_.begin(); begin != records_.end();) {
        const auto end = std::find_if(begin, records_.end(),
                                      [&](const Log::Record &r) { return r.key != begin->key; });
        const Judgement judgement = history::judge(ops_of_key({begin, end}, verdict));
        verdict.keys++;
        verdict.violations += judgement.violations.size();
        verdict.values_unjudged += judgement.values_unjudged;
        for (const Violation &violation : judgement.violations) {
            if (verdict.messages.size() >= messages_max)
                break;
            verdict.messages.push_back(fmt::format("key {}: {}", begin->key, describe(violation)));
        }
        begin = end;
    }
    return verdict;
}

} // namespace bmc::test::history
