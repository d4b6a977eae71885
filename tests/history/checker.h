// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HISTORY_CHECKER_H
#define BMC_TESTS_HISTORY_CHECKER_H

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

/*
 * Is the history of a key linearizable?
 *
 * The key is a register. It holds a state: a value, or nothing (absent). Every
 * operation takes effect at one instant between its start and its end: a write
 * puts a state there, a read sees the state. At any instant the register may
 * become absent by itself, as memcached evicts; it never becomes a value by
 * itself. No two writes put the same value there, so a read of a value names
 * its write.
 *
 * The method is that of P. Gibbons and E. Korach, "Testing Shared Memories"
 * (SIAM J. Computing 26(4), 1997), section 4. All operations that name the same
 * value, its write and its reads, are a cluster. Of a cluster, let f be the
 * earliest end and s the latest start. If f < s, the span from f to s is the
 * cluster's forward zone: an operation that named the value was over before
 * another one that names it began. Otherwise every operation of the cluster
 * runs throughout the span from s to f, its backward zone. An absence that was
 * seen or written is a cluster of one operation: as the register may become
 * absent by itself, no two absences need have anything to do with each other.
 * (So a successful add is a plain write: the absence that it needs may have come
 * just before.)
 *
 * A key's history is blamed if and only if one of these holds:
 *
 *   never_written   A value was seen that nobody wrote.
 *                   It cannot come by itself.
 *   too_early       A read of a value was over before its write began.
 *                   The value was not there.
 *   two_values      The forward zones of two values overlap.
 *                   In its forward zone, a value is there from end to end: it was
 *                   before and is after, and is written only once.
 *   came_back       The backward zone of something else (another value, or
 *                   an absence) lies within the forward zone of a value.
 *                   An operation of the other cluster that ends before s takes
 *                   effect before s, one that starts after f does after f; as a
 *                   cluster's states are adjacent, the other state was there
 *                   somewhere between f and s, where the value is.
 *   expired         See below.
 *
 * Conversely, if none of the first four holds, this order explains all that was
 * seen. The forward zones are apart. Each cluster with a forward zone takes
 * effect in it: the write at f (it began before every end, as nothing was too
 * early, and ends at f or later), every read at f or its own start, whichever is
 * later. Each other cluster takes effect at a point of its backward zone that is
 * in no forward zone, all at that point, the write first; there is such a point,
 * as the zone lies in no forward zone and those are apart. Before each absence,
 * the register becomes absent by itself.
 *
 * So for writes, reads, deletes and evictions the checker is sound (no right
 * history is blamed) and complete (no wrong one passes). It is sound, and no
 * more, in what follows:
 *
 *   - A write whose outcome is not known (certain = false) that nobody saw is
 *     left out: it may not have happened. This alone is complete too.
 *   - That a command found *some* value (add refused, replace done, touch) is
 *     not used, nor that what a command read and what it wrote were adjacent
 *     (cas, incr): these are given as a read and a write of their own.
 *   - expired: a read of a value started after its lifetime was over. The
 *     lifetime is set by the write, and anew by each `touched` that may have met
 *     this value. Blamed only if all of these are over that may have been the last
 *     one before the read: not those that one known to have met the value followed
 *     and that was over before the read began.
 *   - A value that two writes claim (the histories' author was careless) is not
 *     judged.
 */
namespace bmc::test::history
{

/// CLOCK_MONOTONIC in nanoseconds.
using Time = std::int64_t;
/// End of what has not ended: a write whose reply was lost.
inline constexpr Time never = std::numeric_limits<Time>::max();

/// What the register holds: absent, or the number of a value, one for each write.
using State = std::uint64_t;
inline constexpr State absent = 0;

struct Op {
    enum class Kind {
        wrote,   ///< put `state` there; absent: removed whatever was there
        saw,     ///< `state` was there
        touched, ///< set the lifetime of `state`, or if that is absent, of an unknown value
    };

    Kind kind = Kind::saw;
    State state = absent;
    Time start = 0;
    Time end = never;
    /// Wrote: whether it is known to have happened.
    bool certain = true;
    /// Wrote, touched: when this lifetime is over at the latest.
    Time expires = never;
    /// Who did it, for messages.
    std::uint32_t client = 0;
};

enum class Rule { never_written, too_early, two_values, came_back, expired };

const char *name(Rule rule);

/// What is wrong, for one value.
struct Violation {
    Rule rule = Rule::came_back;
    /// The operations that contradict each other: those that show the value was
    /// there early and late, and the one between. Without those that the rule
    /// does not need.
    std::vector<Op> ops;
};

/// One line per operation, times in microseconds after the first of them.
std::string describe(const Violation &violation);

struct Judgement {
    std::vector<Violation> violations; ///< empty if the history is right
    std::size_t values_unjudged = 0;   ///< claimed by two writes
};

/// Judges the history of one key, its operations in any order. O(n log n).
Judgement judge(std::span<const Op> ops);

} // namespace bmc::test::history

#endif
