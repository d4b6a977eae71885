// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HISTORY_LOG_H
#define BMC_TESTS_HISTORY_LOG_H

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/history/checker.h"

/*
 * What clients did and saw, and its translation to the checker's operations.
 *
 * The checker knows one write for each value. A text of several parts was made
 * by several writes, the last of which made it what it is: which of them that
 * was is not known where both ends grew. The instant at which the last of them
 * took effect lies between the latest of their starts and the latest of their
 * ends, so that is the interval of the write that the checker is given; and
 * it is all that is known of that instant. A segment that was written but is
 * in no text as the last or first part made a text that nobody saw, which is a
 * value of its own.
 *
 * A flush_all ends the lifetime of every value that was written before it.
 *
 * A counter that moved without anybody being told the result (a quiet incr, a
 * lost reply) may be anything from its beginning on: numbers that nobody was
 * told are taken to have been written at any time since the counter began, if
 * there was such a move of this key.
 */
namespace bmc::test::history
{

struct Interval {
    Time start = 0;
    Time end = never;
};

/// Now, on CLOCK_MONOTONIC.
Time now();

/// How long after its exptime an item may still be seen. memcached counts whole
/// seconds, by a timer that a loaded machine may run late.
inline constexpr Time expiry_slack = 3'000'000'000;

/// One client's part of a history. Not for several threads.
class Log
{
  public:
    explicit Log(std::uint32_t client) : client_(client) {}

    [[nodiscard]] std::uint32_t client() const { return client_; }

    /// The value was seen, as the parts that parse_value() found. None: absent.
    void saw(std::size_t key, Interval when, const std::vector<State> &parts);
    /// A write of one part or counter. exptime in seconds, 0 for none. If it is
    /// not certain that the write was done, or will ever be.
    void wrote(std::size_t key, Interval when, State state, bool certain, std::int32_t exptime = 0);
    /// The key was deleted, emptied, or expired at once.
    void removed(std::size_t key, Interval when, bool certain);
    /// The exptime was set, of the value with these parts if they are known.
    void touched(std::size_t key, Interval when, std::int32_t exptime,
                 const std::optional<std::vector<State>> &parts);
    /// A counter was moved to where nobody was told.
    void moved(std::size_t key, Interval when);
    /// All keys were removed by a flush_all of memcached that spares none that
    /// had been stored before. (One without a delay is not such: see Mix.)
    void flushed(Interval when) { flushes_.push_back(when); }
    /// A reply that no right server sends.
    void wrong(std::string what) { wrong_.push_back(std::move(what)); }

  private:
    friend class History;

    struct Record {
        std::size_t key = 0;
        bool is_move = false;
        Op op;
    };

    State state_of(const std::vector<State> &parts);
    Op op(Op::Kind kind, State state, Interval when) const;

    std::uint32_t client_;
    std::vector<Record> records_;
    std::map<std::vector<State>, State> texts_; // of several parts
    std::vector<Interval> flushes_;
    std::vector<std::string> wrong_;
};

/// What all clients did and saw.
class History
{
  public:
    /// Merges the logs; they are not needed any more.
    explicit History(std::deque<Log> logs);

    /// All keys were removed: the origin was restarted.
    void restarted(Interval when) { restarts_.push_back(when); }

    struct Verdict {
        std::size_t operations = 0;
        std::size_t keys = 0;
        std::size_t violations = 0;
        std::size_t values_unjudged = 0;
        std::size_t numbers_assumed = 0;   ///< taken for the result of an untold move
        std::vector<std::string> messages; ///< of the first few violations
    };
    [[nodiscard]] Verdict judge() const;

  private:
    void add_flushes(std::vector<Op> &ops) const;
    [[nodiscard]] std::vector<Op> ops_of_key(std::span<const Log::Record> records,
                                             Verdict &verdict) const;

    std::vector<Log::Record> records_; // by key
    std::unordered_map<State, std::vector<State>> parts_;
    std::vector<Interval> restarts_;
    std::vector<Interval> flushes_; // by their start
    std::vector<std::string> wrong_;
};

} // namespace bmc::test::history

#endif
