// SPDX-License-Identifier: BSD-3-Clause
//
// SIGKILL after every step of an upgrade.

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "bmc/lib/instance.h"
#include "bmc/lib/stats.h"
#include "tests/harness/client.h"
#include "tests/harness/origin.h"
#include "tests/harness/wait.h"
#include "tests/loader/interrupted.h"
#include "tests/loader/kernel_state.h"

namespace bmc::test
{
namespace
{

using testing::SizeIs;

class InterruptedUpgrade : public Interrupted
{
  protected:
    /// An upgrade has as many steps as there are hooks, and these: folder, programs
    /// loaded, pinned, folders exchanged, former programs removed.
    int steps_of_upgrade() const { return GetParam().mode == ModeChoice::tc ? 7 : 8; }

    uint64_t counter(bmc_counter which) const
    {
        const auto stats = read_stats(wanted().instance, wanted().pin_root);

        EXPECT_TRUE(stats) << stats.error().line();
        return stats ? (*stats)[which] : 0;
    }

    /// Fails the test unless the kernel answers a get of `key`, without a fill.
    void expect_hit(UdpClient &client) const
    {
        const uint64_t hits = counter(BMC_COUNTER_hit);
        const uint64_t fills = counter(BMC_COUNTER_fill_keys);

        EXPECT_EQ(client.ask("get key\r\n"), "VALUE key 0 5\r\nvalue\r\nEND\r\n");
        EXPECT_EQ(counter(BMC_COUNTER_hit), hits + 1);
        EXPECT_EQ(counter(BMC_COUNTER_fill_keys), fills);
    }
};

/* After a kill at any step the kernel goes on answering, and the next upgrade is one. */
TEST_P(InterruptedUpgrade, UpgradeAfterAKilledUpgrade)
{
    ASSERT_TRUE(attach_in(server(), wanted()));
    const Origin origin(server(), {.pins = folder(wanted())});
    UdpClient client(lab().client(), {Lab::server4});
    TcpClient(lab().client(), {Lab::server4}).ask("set key 0 0 5\r\nvalue\r\n");
    wait_until("the key is cached", [&] {
        const uint64_t hits = counter(BMC_COUNTER_hit);
        client.ask("get key\r\n");
        return counter(BMC_COUNTER_hit) > hits;
    });

    int steps = 1;
    for (; attach_killed_after(steps, wanted()); steps++) {
        SCOPED_TRACE(fmt::format("after step {}", steps));
        expect_hit(client);
        const auto again = attach_in(server(), wanted());

        ASSERT_TRUE(again) << again.error().line();
        EXPECT_EQ(again->kept, 1U);
        EXPECT_THAT(again->notes, SizeIs(steps == steps_of_upgrade() ? 0 : 1));
        expect_attached(server(), wanted());
        EXPECT_FALSE(exists(other_programs_folder(folder(wanted()))));
        expect_hit(client);
    }
    EXPECT_EQ(steps, steps_of_upgrade() + 1);
    expect_hit(client);
    ASSERT_TRUE(detach_in(server(), wanted()));
}

/* Row 29: and a detach leaves nothing. */
TEST_P(InterruptedUpgrade, DetachAfterAKilledUpgrade)
{
    ASSERT_TRUE(attach_in(server(), wanted()));
    for (int steps = 1; attach_killed_after(steps, wanted()); steps++) {
        SCOPED_TRACE(fmt::format("after step {}", steps));
        const PinnedIds ids = pinned_ids(folder(wanted()));
        ASSERT_TRUE(detach_in(server(), wanted()));
        expect_untouched(server(), Lab::interface);
        ASSERT_FALSE(exists(pin_root_));
        wait_until("the programs of both sets are freed", [&ids] {
            return std::none_of(ids.programs.begin(), ids.programs.end(), program_exists);
        });
        ASSERT_TRUE(attach_in(server(), wanted()));
    }
    ASSERT_TRUE(detach_in(server(), wanted()));
}

/* One that is asked to stop leaves the former programs, unless it is done with it. */
TEST_P(InterruptedUpgrade, StoppedUpgradeIsUndone)
{
    ASSERT_TRUE(attach_in(server(), wanted()));
    for (int steps = 1; steps <= steps_of_upgrade(); steps++) {
        SCOPED_TRACE(fmt::format("after step {}", steps));
        const auto before = pinned_ids(programs_folder(folder(wanted()))).programs;
        AttachOptions stopped = wanted();
        int left = steps;
        stopped.progress = [&left](std::string_view) { return --left > 0; };
        const auto upgraded = attach_in(server(), stopped);

        const bool late = steps > steps_of_upgrade() - 2;
        EXPECT_EQ(static_cast<bool>(upgraded), late);
        if (!upgraded) {
            EXPECT_EQ(upgraded.error().code, EINTR);
        }
        EXPECT_EQ(pinned_ids(programs_folder(folder(wanted()))).programs == before, !late);
        EXPECT_FALSE(exists(other_programs_folder(folder(wanted()))));
        expect_attached(server(), wanted());
    }
    ASSERT_TRUE(detach_in(server(), wanted()));
}

INSTANTIATE_TEST_SUITE_P(, InterruptedUpgrade, testing::ValuesIn(all_ways), way_name);

} // namespace
} // namespace bmc::test
