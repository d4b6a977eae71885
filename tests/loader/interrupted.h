// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_LOADER_INTERRUPTED_H
#define BMC_TESTS_LOADER_INTERRUPTED_H

#include <csignal>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <unistd.h>

#include "tests/loader/fixture.h"

namespace bmc::test
{

/// Tests of what is left by a command that is killed after one of its steps, for each
/// way to attach.
class Interrupted : public LoaderTest, public testing::WithParamInterface<Way>
{
  protected:
    AttachOptions wanted() const { return options(GetParam()); }

    /// Attaches, or upgrades, in a child that is killed after this many steps; false if
    /// there are fewer, and it was done.
    static bool attach_killed_after(int steps, AttachOptions options)
    {
        return is_killed([&] {
            int left = steps;
            options.progress = [&left](std::string_view) {
                if (--left == 0)
                    raise(SIGKILL);
                return true;
            };
            if (!attach_in(server(), options))
                _exit(EXIT_FAILURE);
        });
    }

    /// The same with detach.
    static bool detach_killed_after(int steps, const AttachOptions &options)
    {
        return is_killed([&] {
            int left = steps;
            if (!detach_in(server(), options, [&left](std::string_view) {
                    if (--left == 0)
                        raise(SIGKILL);
                }))
                _exit(EXIT_FAILURE);
        });
    }

  private:
    static bool is_killed(const std::function<void()> &work)
    {
        constexpr int killed = 128 + SIGKILL;
        const int status = run_in_child(work);

        EXPECT_TRUE(status == killed || status == 0) << status;
        return status == killed;
    }
};

} // namespace bmc::test

#endif
