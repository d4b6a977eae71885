// SPDX-License-Identifier: BSD-3-Clause
//
// The checker against hand-made histories, one good and one bad for each rule;
// against every order that could explain a small history; and against a
// simulated register, whose histories must pass, and must not once a read is
// made stale.

#include "tests/history/checker.h"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace bmc::test::history
{
namespace
{

Op wrote(State state, Time start, Time end)
{
    return {.kind = Op::Kind::wrote, .state = state, .start = start, .end = end};
}

Op may_have_written(State state, Time start, Time end)
{
    Op op = wrote(state, start, end);

    op.certain = false;
    return op;
}

Op wrote_until(Time expires, State state, Time start, Time end)
{
    Op op = wrote(state, start, end);

    op.expires = expires;
    return op;
}

Op saw(State state, Time start, Time end)
{
    return {.kind = Op::Kind::saw, .state = state, .start = start, .end = end};
}

Op touched(Time expires, State state, Time start, Time end)
{
    return {
        .kind = Op::Kind::touched, .state = state, .start = start, .end = end, .expires = expires};
}

std::vector<Rule> rules(const std::vector<Op> &ops)
{
    std::vector<Rule> result;

    for (const Violation &violation : judge(ops).violations)
        result.push_back(violation.rule);
    std::sort(result.begin(), result.end());
    return result;
}

const std::vector<Rule> good;

TEST(Checker, NothingHappened)
{
    EXPECT_EQ(rules({}), good);
}

TEST(Checker, ReadsInOrder)
{
    EXPECT_EQ(rules({wrote(1, 0, 10), saw(1, 20, 30), wrote(2, 40, 50), saw(2, 60, 70)}), good);
}

TEST(Checker, NeverWritten)
{
    EXPECT_EQ(rules({saw(1, 0, 10)}), std::vector{Rule::never_written});
    EXPECT_EQ(rules({wrote(1, 0, 10), saw(2, 20, 30)}), std::vector{Rule::never_written});
    // Absence needs no writer.
    EXPECT_EQ(rules({saw(absent, 0, 10), wrote(1, 20, 30), saw(absent, 40, 50)}), good);
}

TEST(Checker, TooEarly)
{
    EXPECT_EQ(rules({saw(1, 0, 10), wrote(1, 20, 30)}), std::vector{Rule::too_early});
    EXPECT_EQ(rules({saw(1, 0, 25), wrote(1, 20, 30)}), good);
}

TEST(Checker, StaleRead)
{
    EXPECT_EQ(rules({wrote(1, 0, 10), wrote(2, 20, 30), saw(1, 40, 50)}),
              std::vector{Rule::came_back});
    // The second write may have come before the first, or behind the read.
    EXPECT_EQ(rules({wrote(1, 0, 25), wrote(2, 20, 30), saw(1, 40, 50)}), good);
    EXPECT_EQ(rules({wrote(1, 0, 10), wrote(2, 20, 45), saw(1, 40, 50)}), good);
}

TEST(Checker, NewThenOld)
{
    // While 2 is being written, one reader has it already, a later one has not.
    EXPECT_EQ(rules({wrote(1, 0, 10), wrote(2, 20, 100), saw(2, 30, 40), saw(1, 50, 60)}),
              std::vector{Rule::came_back});
    EXPECT_EQ(rules({wrote(1, 0, 10), wrote(2, 20, 100), saw(2, 30, 55), saw(1, 50, 60)}), good);
}

TEST(Checker, TwoValues)
{
    EXPECT_EQ(rules({wrote(1, 0, 100), wrote(2, 0, 100), saw(1, 10, 20), saw(2, 11, 21),
                     saw(1, 30, 40), saw(2, 31, 41)}),
              std::vector{Rule::two_values});
    EXPECT_EQ(rules({wrote(1, 0, 100), wrote(2, 0, 100), saw(1, 10, 20), saw(1, 30, 40),
                     saw(2, 31, 41), saw(2, 45, 50)}),
              good);
}

TEST(Checker, SeenGoneComesNotBack)
{
    EXPECT_EQ(rules({wrote(1, 0, 10), saw(absent, 20, 30), saw(1, 40, 50)}),
              std::vector{Rule::came_back});
    EXPECT_EQ(rules({wrote(1, 0, 10), saw(absent, 20, 45), saw(1, 40, 50)}), good);
    EXPECT_EQ(rules({wrote(1, 0, 25), saw(absent, 20, 30), saw(1, 40, 50)}), good);
    EXPECT_EQ(rules({wrote(1, 0, 10), saw(absent, 20, 30), wrote(2, 35, 45), saw(2, 40, 50)}),
              good);
}

TEST(Checker, DeletedComesNotBack)
{
    EXPECT_EQ(rules({wrote(1, 0, 10), wrote(absent, 20, 30), saw(1, 40, 50)}),
              std::vector{Rule::came_back});
    EXPECT_EQ(rules({wrote(1, 0, 10), wrote(absent, 20, 45), saw(1, 40, 50)}), good);
}

TEST(Checker, LostReplies)
{
    // Done or not, now or much later.
    EXPECT_EQ(rules({may_have_written(1, 0, never), saw(absent, 10, 20)}), good);
    EXPECT_EQ(rules({wrote(1, 0, 10), may_have_written(2, 20, never), saw(1, 30, 40)}), good);
    EXPECT_EQ(
        rules({wrote(1, 0, 10), may_have_written(2, 20, never), saw(1, 30, 40), saw(2, 50, 60)}),
        good);
    EXPECT_EQ(rules({wrote(1, 0, 10), may_have_written(absent, 20, never), saw(1, 30, 40)}), good);
    // Once seen, it was done.
    EXPECT_EQ(
        rules({wrote(1, 0, 10), may_have_written(2, 20, never), saw(2, 30, 40), saw(1, 50, 60)}),
        std::vector{Rule::came_back});
    EXPECT_EQ(rules({saw(2, 0, 10), may_have_written(2, 20, never)}), std::vector{Rule::too_early});
}

TEST(Checker, Expiry)
{
    EXPECT_EQ(rules({wrote_until(100, 1, 0, 10), saw(1, 90, 110)}), good);
    EXPECT_EQ(rules({wrote_until(100, 1, 0, 10), saw(1, 101, 110)}), std::vector{Rule::expired});
    EXPECT_EQ(rules({wrote(1, 0, 10), saw(1, 101, 110)}), good);
}

TEST(Checker, ExpiryAfterTouch)
{
    const Op write = wrote_until(100, 1, 0, 10);
    const Op read = saw(1, 150, 160);

    EXPECT_EQ(rules({write, read}), std::vector{Rule::expired});
    // A touch that may have met this value.
    EXPECT_EQ(rules({write, touched(200, absent, 50, 60), read}), good);
    EXPECT_EQ(rules({write, touched(200, absent, 140, 170), read}), good);
    EXPECT_EQ(rules({write, touched(140, absent, 50, 60), read}), std::vector{Rule::expired});
    // Too early or too late for it.
    EXPECT_EQ(rules({wrote_until(100, 1, 5, 10), touched(200, absent, 0, 4), read}),
              std::vector{Rule::expired});
    EXPECT_EQ(rules({write, touched(200, absent, 161, 170), read}), std::vector{Rule::expired});
    // A touch that met it: what came before does not count any more.
    EXPECT_EQ(rules({wrote(1, 0, 10), touched(100, 1, 50, 60), read}), std::vector{Rule::expired});
    EXPECT_EQ(rules({wrote(1, 0, 10), touched(100, absent, 50, 60), read}), good);
    EXPECT_EQ(
        rules({wrote(1, 0, 10), touched(never, absent, 20, 30), touched(100, 1, 50, 60), read}),
        std::vector{Rule::expired});
    EXPECT_EQ(
        rules({wrote(1, 0, 10), touched(never, absent, 20, 55), touched(100, 1, 50, 60), read}),
        good);
    // That of another value changes nothing here.
    EXPECT_EQ(rules({wrote(1, 0, 10), touched(100, 2, 50, 60), read}), good);
}

TEST(Checker, ValuesWrittenTwiceAreNotJudged)
{
    const std::vector<Op> ops = {wrote(1, 0, 10), wrote(2, 20, 30), wrote(1, 40, 50),
                                 saw(1, 60, 70)};

    EXPECT_EQ(rules(ops), good);
    EXPECT_EQ(judge(ops).values_unjudged, 1U);
}

TEST(Checker, SaysWhatContradictsWhat)
{
    const Judgement judgement =
        judge(std::vector{wrote(1, 1000, 2000), wrote(2, 3000, 4000), saw(1, 5000, 6000)});

    ASSERT_EQ(judgement.violations.size(), 1U);
    EXPECT_EQ(describe(judgement.violations[0]), "a value that came back\n"
                                                 "    client 0 wrote 1 from 0.000 to 1.000 us\n"
                                                 "    client 0 wrote 2 from 2.000 to 3.000 us\n"
                                                 "    client 0 saw 1 from 4.000 to 5.000 us");
}

/// Tries every order of the operations that their times allow.
class Oracle
{
  public:
    explicit Oracle(const std::vector<Op> &ops) : ops_(ops), done_(ops.size()) {}

    bool explains() { return step(absent, ops_.size()); }

  private:
    bool step(State state, std::size_t left)
    {
        if (left == 0)
            return true;
        for (std::size_t i = 0; i < ops_.size(); i++) {
            if (done_[i] || !may_be_next(ops_[i]))
                continue;
            const Op &op = ops_[i];
            done_[i] = true;
            // A read of nothing is always right: evicted just before.
            const bool right =
                op.kind == Op::Kind::wrote || op.state == absent || op.state == state;
            if ((right && step(op.state, left - 1)) || (!op.certain && step(state, left - 1)))
                return true;
            done_[i] = false;
        }
        return false;
    }

    bool may_be_next(const Op &op) const
    {
        for (std::size_t i = 0; i < ops_.size(); i++) {
            if (!done_[i] && ops_[i].end < op.start)
                return false;
        }
        return true;
    }

    const std::vector<Op> &ops_;
    std::vector<bool> done_;
};

/// Any operations at all, right or wrong, at random distinct times.
std::vector<Op> any_history(std::mt19937 &random)
{
    const std::size_t values = 1 + random() % 3;
    const std::size_t reads = random() % 6;
    const std::size_t size = values + reads;
    std::vector<Time> times(2 * size);
    std::vector<Op> ops;

    std::iota(times.begin(), times.end(), 1);
    // Short and long intervals: shuffled a little, or altogether.
    if (random() % 2 == 0)
        std::shuffle(times.begin(), times.end(), random);
    else
        for (std::size_t i = 0; i + 4 < times.size(); i++)
            std::shuffle(times.begin() + static_cast<std::ptrdiff_t>(i),
                         times.begin() + static_cast<std::ptrdiff_t>(i) + 4, random);
    std::vector<std::size_t> order(size);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t i = 0; i < size; i++) {
        const auto [start, end] = std::minmax(times[2 * order[i]], times[2 * order[i] + 1]);
        Op op = i < values ? wrote(i + 1, start, end) : saw(random() % (values + 1), start, end);
        if (i < values && random() % 8 == 0)
            op.state = absent;
        if (i < values && random() % 4 == 0) {
            op.certain = false;
            if (random() % 2 == 0)
                op.end = never;
        }
        ops.push_back(op);
    }
    return ops;
}

TEST(Checker, AgreesWithEveryOrderOfSmallHistories)
{
    std::mt19937 random(1);
    std::size_t right = 0;
    constexpr std::size_t histories = 100'000;

    for (std::size_t i = 0; i < histories; i++) {
        const std::vector<Op> ops = any_history(random);
        const bool explained = Oracle(ops).explains();
        right += explained ? 1 : 0;
        if (judge(ops).violations.empty() != explained) {
            for (const Op &op : ops)
                ADD_FAILURE() << describe({Rule::came_back, {op}});
            FAIL() << "history " << i << (explained ? " is right" : " is wrong");
        }
    }
    // Neither answer is rare.
    EXPECT_GT(right, histories / 10);
    EXPECT_LT(right, histories - histories / 10);
}

/// Many clients on one register, each operation effective at a random instant
/// of its interval.
std::vector<Op> simulated_history(std::mt19937 &random, std::size_t size)
{
    constexpr std::size_t clients = 8;
    std::vector<Time> idle(clients);
    std::vector<std::pair<Time, Op>> effects;
    State next = 1;

    for (std::size_t i = 0; i < size; i++) {
        const auto client = static_cast<std::uint32_t>(random() % clients);
        const Time start = idle[client] + 1 + static_cast<Time>(random() % 50);
        const Time effect = start + 1 + static_cast<Time>(random() % 100);
        const Time end = effect + 1 + static_cast<Time>(random() % 100);
        Op op = saw(absent, start, end);
        const unsigned kind = random() % 16;
        idle[client] = end;
        if (kind < 3)
            op = wrote(next++, start, end);
        else if (kind == 3)
            op = wrote(absent, start, end);
        op.client = client;
        if (op.kind == Op::Kind::wrote && random() % 8 == 0) {
            op.certain = false;
            op.end = never;
            if (random() % 2 == 0) // and did not happen
                continue;
        }
        effects.emplace_back(effect, op);
    }
    std::stable_sort(effects.begin(), effects.end(),
                     [](const auto &a, const auto &b) { return a.first < b.first; });
    State state = absent;
    std::vector<Op> ops;
    for (auto &[effect, op] : effects) {
        if (random() % 64 == 0)
            state = absent; // evicted
        if (op.kind == Op::Kind::wrote)
            state = op.state;
        else
            op.state = state;
        ops.push_back(op);
    }
    std::shuffle(ops.begin(), ops.end(), random);
    return ops;
}

TEST(Checker, HistoriesOfARegisterAreRight)
{
    std::mt19937 random(2);

    for (int i = 0; i < 500; i++) {
        const Judgement judgement = judge(simulated_history(random, 1000));
        ASSERT_TRUE(judgement.violations.empty()) << describe(judgement.violations[0]);
        ASSERT_EQ(judgement.values_unjudged, 0U);
    }
}

TEST(Checker, OneStaleReadIsFound)
{
    std::mt19937 random(3);
    std::size_t mutated = 0;

    for (int i = 0; i < 500; i++) {
        std::vector<Op> ops = simulated_history(random, 1000);
        std::deque<Op> writes;
        for (const Op &op : ops) {
            if (op.kind == Op::Kind::wrote && op.certain)
                writes.push_back(op);
        }
        // A read that begins after a write that began after another one ended
        // sees that other one's value.
        for (Op &read : ops) {
            const Op &old = writes[random() % writes.size()];
            const Op &newer = writes[random() % writes.size()];
            if (read.kind == Op::Kind::saw && old.state != absent && old.end < newer.start &&
                newer.end < read.start) {
                read.state = old.state;
                mutated++;
                break;
            }
        }
        ASSERT_FALSE(judge(ops).violations.empty()) << "history " << i;
    }
    EXPECT_EQ(mutated, 500U);
}

} // namespace
} // namespace bmc::test::history
