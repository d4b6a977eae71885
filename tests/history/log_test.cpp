// SPDX-License-Identifier: BSD-3-Clause
//
// Values and what they say of their writers, and the translation of what clients
// did to what the checker judges.

#include "tests/history/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/history/value.h"

namespace bmc::test::history
{
namespace
{

constexpr std::size_t key = 7;

const State base1 = part(Part::base, 1, 1);
const State base2 = part(Part::base, 1, 2);
const State append1 = part(Part::appended, 2, 1);
const State append2 = part(Part::appended, 2, 2);
const State prepend1 = part(Part::prepended, 3, 1);

TEST(HistoryValue, TextsNameTheirParts)
{
    const std::string text =
        segment_text(key, prepend1) + base_text(key, base1, 40) + segment_text(key, append1);

    EXPECT_EQ(parse_value(key, flags_of(base1), text),
              (std::vector<State>{prepend1, base1, append1}));
    EXPECT_EQ(parse_value(key, flags_of(base1), base_text(key, base1, 0)),
              std::vector<State>{base1});
    // Appended to an empty value, or created by append.
    EXPECT_EQ(parse_value(key, 0, segment_text(key, append1) + segment_text(key, append2)),
              (std::vector<State>{append1, append2}));
    EXPECT_EQ(parse_value(key, 0, ""), std::vector<State>{});
}

TEST(HistoryValue, EveryByteCounts)
{
    const std::string text = base_text(key, base1, 20) + segment_text(key, append1);
    const std::uint32_t flags = flags_of(base1);

    const std::optional whole = std::vector{base1, append1};

    EXPECT_EQ(parse_value(key, flags, text), whole);
    EXPECT_FALSE(parse_value(key, flags + 1, text));
    EXPECT_FALSE(parse_value(key + 1, flags, text));
    for (std::size_t i = 0; i < text.size(); i++) {
        EXPECT_NE(parse_value(key, flags, text.substr(0, i)), whole);
        std::string changed = text;
        changed[i] = '!';
        EXPECT_FALSE(parse_value(key, flags, changed)) << changed;
    }
    EXPECT_FALSE(parse_value(key, flags, text + "x"));
}

TEST(HistoryValue, CountersKeepTheirMark)
{
    const State first = counter(31, counter_limit - 1);

    EXPECT_TRUE(is_counter(first));
    EXPECT_FALSE(is_counter(base1));
    EXPECT_FALSE(is_counter(prepend1));
    EXPECT_EQ(counter_base(first), first);
    EXPECT_EQ(counter_base(first + 50 * counter_step_limit), first);
    EXPECT_EQ(counter_base(first - 50 * counter_step_limit), first);
    EXPECT_NE(counter(30, counter_limit - 1), first);
    EXPECT_EQ(parse_value(key, 0, std::to_string(first)), std::vector<State>{first});
    EXPECT_FALSE(parse_value(key, 0, "12"));
    EXPECT_FALSE(parse_value(key, 0, std::to_string(first) + " "));
}

/// The rules that a history of one client breaks.
class HistoryLog : public testing::Test
{
  protected:
    History::Verdict verdict()
    {
        std::deque<Log> logs;

        logs.push_back(std::move(log_));
        logs.push_back(std::move(other_));
        History history(std::move(logs));
        for (const Interval &restart : restarts_)
            history.restarted(restart);
        return history.judge();
    }

    std::size_t violations() { return verdict().violations; }

    Log log_{1};
    Log other_{2};
    std::vector<Interval> restarts_;
};

TEST_F(HistoryLog, WritesAndReads)
{
    log_.wrote(key, {0, 10}, base1, true);
    log_.saw(key, {20, 30}, {base1});
    log_.wrote(key, {40, 50}, base2, true);
    log_.saw(key, {60, 70}, {base2});
    log_.removed(key, {80, 90}, true);
    log_.saw(key, {100, 110}, {});
    EXPECT_EQ(violations(), 0U);
}

TEST_F(HistoryLog, StaleRead)
{
    log_.wrote(key, {0, 10}, base1, true);
    log_.wrote(key, {40, 50}, base2, true);
    other_.saw(key, {60, 70}, {base1});
    EXPECT_EQ(violations(), 1U);
}

TEST_F(HistoryLog, KeysAreApart)
{
    log_.wrote(key, {0, 10}, base1, true);
    log_.wrote(key + 1, {40, 50}, base2, true);
    other_.saw(key, {60, 70}, {base1});
    EXPECT_EQ(violations(), 0U);
}

TEST_F(HistoryLog, AppendMakesANewValue)
{
    log_.wrote(key, {0, 10}, base1, true);
    log_.wrote(key, {20, 30}, append1, true);
    other_.saw(key, {40, 50}, {base1, append1});
    log_.saw(key, {60, 70}, {base1, append1});
    EXPECT_EQ(violations(), 0U);
}

TEST_F(HistoryLog, StaleReadBehindAppend)
{
    log_.wrote(key, {0, 10}, base1, true);
    log_.wrote(key, {20, 30}, append1, true);
    other_.saw(key, {40, 50}, {base1});
    EXPECT_EQ(violations(), 1U);
}

TEST_F(HistoryLog, StaleTextBehindASecondAppend)
{
    log_.wrote(key, {0, 10}, base1, true);
    log_.wrote(key, {20, 30}, append1, true);
    log_.wrote(key, {40, 50}, prepend1, true);
    other_.saw(key, {60, 70}, {base1, append1});
    EXPECT_EQ(violations(), 1U);
}

TEST_F(HistoryLog, TextOfWritesAtTheSameTime)
{
    log_.wrote(key, {0, 10}, base1, true);
    log_.wrote(key, {20, 100}, append1, true);
    other_.wrote(key, {30, 90}, prepend1, true);
    log_.saw(key, {110, 120}, {prepend1, base1, append1});
    EXPECT_EQ(violations(), 0U);
}

TEST_F(HistoryLog, TextBeforeItsLastPart)
{
    log_.wrote(key, {0, 10}, base1, true);
    other_.saw(key, {20, 30}, {base1, append1});
    log_.wrote(key, {40, 50}, append1, true);
    EXPECT_EQ(violations(), 1U);
}

TEST_F(HistoryLog, TextOfAPartThatNobodyWrote)
{
    log_.wrote(key, {0, 10}, base1, true);
    other_.saw(key, {20, 30}, {base1, append1});
    EXPECT_EQ(violations(), 1U);
}

TEST_F(HistoryLog, LostAppend)
{
    log_.wrote(key, {0, 10}, base1, true);
    log_.wrote(key, {20, never}, append1, false);
    other_.saw(key, {30, 40}, {base1});
    other_.saw(key, {50, 60}, {base1, append1});
    EXPECT_EQ(violations(), 0U);
}

TEST_F(HistoryLog, Counters)
{
    const State first = counter(1, 1);

    log_.wrote(key, {0, 10}, first, true);
    log_.wrote(key, {20, 30}, first + 5, true);
    log_.saw(key, {20, 30}, {first});
    other_.saw(key, {40, 50}, {first + 5});
    EXPECT_EQ(violations(), 0U);
}

TEST_F(HistoryLog, CounterThatNobodyMovedThere)
{
    const State first = counter(1, 1);

    log_.wrote(key, {0, 10}, first, true);
    other_.saw(key, {40, 50}, {first + 5});
    EXPECT_EQ(violations(), 1U);
}

TEST_F(HistoryLog, CounterMovedUntold)
{
    const State first = counter(1, 1);

    log_.wrote(key, {0, 10}, first, true);
    log_.moved(key, {20, 30});
    other_.saw(key, {40, 50}, {first + 5});
    log_.wrote(key, {60, 70}, base1, true);
    const History::Verdict right = verdict();
    EXPECT_EQ(right.violations, 0U);
    EXPECT_EQ(right.numbers_assumed, 1U);
}

TEST_F(HistoryLog, CounterMovedUntoldComesNotBack)
{
    const State first = counter(1, 1);

    log_.wrote(key, {0, 10}, first, true);
    log_.moved(key, {20, 30});
    other_.saw(key, {40, 50}, {first + 5});
    log_.wrote(key, {60, 70}, base1, true);
    other_.saw(key, {80, 90}, {first + 5});
    EXPECT_EQ(violations(), 1U);
}

TEST_F(HistoryLog, RestartRemovesAll)
{
    log_.wrote(key, {0, 10}, base1, true);
    other_.saw(key, {25, 28}, {base1});
    restarts_.push_back({20, 30});
    EXPECT_EQ(violations(), 0U);
}

TEST_F(HistoryLog, NothingOutlivesARestart)
{
    log_.wrote(key, {0, 10}, base1, true);
    other_.saw(key, {40, 50}, {base1});
    restarts_.push_back({20, 30});
    EXPECT_EQ(violations(), 1U);
}

TEST_F(HistoryLog, NothingOutlivesAFlush)
{
    log_.wrote(key, {0, 10}, base1, true);
    log_.flushed({20, 30});
    other_.saw(key, {25, 29}, {base1});
    other_.saw(key, {40, 50}, {base1});
    EXPECT_EQ(violations(), 1U);
}

TEST_F(HistoryLog, FlushSparesWhatIsWrittenMeanwhile)
{
    log_.wrote(key, {0, 25}, base1, true);
    log_.flushed({20, 30});
    other_.saw(key, {40, 50}, {base1});
    EXPECT_EQ(violations(), 0U);
}

TEST_F(HistoryLog, Exptimes)
{
    constexpr Time second = 1'000'000'000;

    log_.wrote(key, {0, 10}, base1, true, 2);
    log_.wrote(key + 1, {0, 10}, base2, true, 2);
    other_.touched(key + 1, {20, 30}, 30, std::vector{base2});
    other_.saw(key, {2 * second, 2 * second + 1}, {base1});
    other_.saw(key + 1, {20 * second, 20 * second + 1}, {base2});
    Log later = other_;
    EXPECT_EQ(violations(), 0U);

    log_ = Log(1);
    other_ = later;
    log_.wrote(key, {0, 10}, base1, true, 2);
    log_.wrote(key + 1, {0, 10}, base2, true, 2);
    other_.saw(key, {10 * second, 10 * second + 1}, {base1});
    EXPECT_EQ(violations(), 1U);
}

TEST_F(HistoryLog, WrongRepliesCount)
{
    log_.wrong("nonsense");
    const History::Verdict wrong = verdict();
    EXPECT_EQ(wrong.violations, 1U);
    EXPECT_THAT(wrong.messages, testing::ElementsAre("nonsense"));
}

} // namespace
} // namespace bmc::test::history
