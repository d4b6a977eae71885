// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/cli/notify.h"

#include <cstdlib>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/harness/notify_socket.h"

namespace bmc::cli
{
namespace
{

class Notify : public testing::Test
{
  protected:
    void TearDown() override { unsetenv("NOTIFY_SOCKET"); }

    /// Every function once.
    static void notify()
    {
        notify_ready("first");
        notify_status("then");
        notify_stopping();
    }

    const std::string name_ = testing::TempDir() + "bmc-notify-unit-" + std::to_string(getpid());
};

TEST_F(Notify, TellsWhoListens)
{
    const test::NotifySocket socket(name_);
    setenv("NOTIFY_SOCKET", name_.c_str(), 1);
    notify();

    EXPECT_EQ(socket.next(), "READY=1\nSTATUS=first");
    EXPECT_EQ(socket.next(), "STATUS=then");
    EXPECT_EQ(socket.next(), "STOPPING=1\nSTATUS=");
    EXPECT_EQ(socket.next(), "");
}

TEST_F(Notify, NobodyListens)
{
    const test::NotifySocket socket(name_);
    notify();
    EXPECT_EQ(socket.next(), "");

    setenv("NOTIFY_SOCKET", (name_ + "-gone").c_str(), 1);
    notify();
    EXPECT_EQ(socket.next(), "");
}

} // namespace
} // namespace bmc::cli
