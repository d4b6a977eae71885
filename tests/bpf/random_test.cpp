// SPDX-License-Identifier: BSD-3-Clause

// Long random histories of reads, writes, flushes and late replies, every
// answer judged by a model of the origin.
#include "tests/bpf/datapath.h"

#include <deque>
#include <optional>
#include <random>

namespace bmc::test
{
namespace
{

struct Item {
    std::uint32_t flags = 0;
    std::string value{};
};

// An origin that keeps the rules for writes and grants, and whose replies and
// grants may come late, twice, or not at all.
class Origin
{
  public:
    Origin(Datapath &datapath, unsigned seed) : dp_(datapath), random_(seed) {}

    std::string key() { return "key" + std::to_string(random_() % 48); }
    unsigned any(unsigned below) { return static_cast<unsigned>(random_() % below); }

    void write(const std::string &key)
    {
        dp_.clock(key) += BMC_CLOCK_TICK;
        if (any(4) == 0) {
            items_.erase(key);
            return;
        }
        Item item{any(3), std::string(any(8) == 0 ? any(1300) : any(60), 'x')};
        for (char &c : item.value)
            c = static_cast<char>(random_());
        items_[key] = item;
        if (item.value.size() < 400 && any(2) == 0)
            dp_.leave_value(key, item.flags, item.value);
    }

    void flush()
    {
        dp_.control().generation++;
        items_.clear();
        dp_.control().generation++;
    }

    // The origin reads the keys, grants what it found and sends a reply, now or
    // never or later.
    void answer(const std::vector<std::string> &keys)
    {
        std::string text;

        for (const std::string &key : keys) {
            const auto found = items_.find(key);
            if (found == items_.end()) {
                dp_.grant_absent(key);
                continue;
            }
            dp_.grant_value(key, found->second.flags, found->second.value);
            text += value_text(key, found->second.flags, found->second.value);
        }
        if (text.empty() || text.size() > 1475)
            return;
        on_the_way_.push_back(text + "END\r\n");
    }

    void deliver()
    {
        if (on_the_way_.empty())
            return;
        const std::size_t which = any(static_cast<unsigned>(on_the_way_.size()));
        dp_.tx_reply(on_the_way_[which]);
        if (any(3) != 0 || on_the_way_.size() > 30)
            on_the_way_.erase(on_the_way_.begin() + static_cast<std::ptrdiff_t>(which));
    }

    [[nodiscard]] std::string reply_to(const std::vector<std::string> &keys) const
    {
        std::string text;

        for (const std::string &key : keys)
            if (const auto found = items_.find(key); found != items_.end())
                text += value_text(key, found->second.flags, found->second.value);
        return text + "END\r\n";
    }

  private:
    Datapath &dp_;
    std::mt19937 random_;
    std::map<std::string, Item> items_;
    std::deque<std::string> on_the_way_;
};

void run_history(Datapath &datapath, unsigned seed, unsigned steps)
{
    Origin origin(datapath, seed);
    unsigned hits = 0, passes = 0, absent = 0;

    for (unsigned step = 0; step < steps; step++) {
        const unsigned what = origin.any(100);
        if (what < 12) {
            origin.write(origin.key());
        } else if (what == 12 && origin.any(10) == 0) {
            origin.flush();
        } else if (what < 40) {
            origin.deliver();
        } else {
            std::vector<std::string> keys(1 + (origin.any(3) == 0 ? origin.any(6) : 0));
            std::string line = "get";
            for (std::string &key : keys)
                line += " " + (key = origin.key());
            const Around around{.family = origin.any(2) == 0 ? Family::ipv4 : Family::ipv6,
                                .request_id = static_cast<std::uint16_t>(step)};
            const Bytes frame = request(line + "\r\n", around);
            const auto out = datapath.rx(frame);
            if (out.verdict == pass_up) {
                ASSERT_EQ(out.frame, frame);
                passes++;
                origin.answer(keys);
                continue;
            }
            ASSERT_EQ(out.verdict, send_back);
            const std::string expected = origin.reply_to(keys);
            const auto parsed = parse(out.frame);
            ASSERT_TRUE(parsed);
            const std::uint16_t id = parsed->ipv4 ? parsed->ipv4->id : 0;
            if (expected.size() > BMC_DATAGRAM_DATA) // the first has left
                ASSERT_EQ(out.frame, reply(expected.substr(BMC_DATAGRAM_DATA), around, id, 1, 2));
            else
                ASSERT_EQ(out.frame, reply(expected, around, id)) << "step " << step;
            hits++;
            absent += expected == "END\r\n" ? 1 : 0;
        }
    }
    // the history has been through all of it
    EXPECT_GT(hits, steps / 20);
    EXPECT_GT(passes, steps / 20);
    EXPECT_GT(absent, 0U);
}

TEST_F(BpfTest, RandomHistories)
{
    for (unsigned seed = 1; seed <= 4; seed++) {
        dp().reset();
        run_history(dp(), seed, 5000);
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
}

// The same with so little of everything that keys share clocks, grants and
// buckets all the time.
TEST_F(BpfTest, RandomHistoriesInLittleRoom)
{
    Settings tiny;
    tiny.clocks = 16;
    tiny.grants = 16;
    tiny.buckets = 1;
    Datapath datapath(tiny);

    for (unsigned seed = 11; seed <= 14; seed++) {
        datapath.reset();
        run_history(datapath, seed, 5000);
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
}

} // namespace
} // namespace bmc::test
