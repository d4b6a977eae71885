// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/result.h"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "bmc/lib/fd.h"
#include "bmc/lib/scope_guard.h"

namespace bmc
{
namespace
{

TEST(Error, SaysOperationObjectReasonAndHint)
{
    const Error error{"attach XDP to", "eth0", EBUSY, "remove the other one", {}};

    EXPECT_EQ(error.line(),
              "cannot attach XDP to eth0: Device or resource busy: remove the other one");
}

TEST(Error, LeavesOutWhatIsEmpty)
{
    EXPECT_EQ((Error{"count the CPUs", "", 0, "", {}}).line(), "cannot count the CPUs");
    EXPECT_EQ((Error{"open", "/x", ENOENT, "", {}}).line(),
              "cannot open /x: No such file or directory");
    EXPECT_EQ((Error{"use the port", "'0'", 0, "ports are 1 to 65535", {}}).line(),
              "cannot use the port '0': ports are 1 to 65535");
}

TEST(Error, IsOneLineWhateverTheParts)
{
    const Error error{"use the interface", "'a\nb'", 0, "look\nthere", "a\nlog"};

    EXPECT_EQ(error.line(), "cannot use the interface 'a b': look there");
}

TEST(Result, HoldsAValueOrAnError)
{
    Result<std::unique_ptr<int>> value = std::make_unique<int>(7);
    const Result<std::unique_ptr<int>> error = Error{"do", "it", 0, "", {}};

    ASSERT_TRUE(value);
    EXPECT_EQ(**value, 7);
    EXPECT_FALSE(error);
    EXPECT_EQ(error.error().object, "it");
}

TEST(Result, ValueOfAnErrorThrows)
{
    Result<int> error = Error{"do", "it", 0, "", {}};

    EXPECT_THROW(static_cast<void>(*error), std::bad_variant_access);
}

TEST(Result, TryReturnsTheFirstError)
{
    const auto first_of = [](const Status &first, const Status &second) -> Status {
        BMC_TRY(first);
        BMC_TRY(second);
        return Done{};
    };

    EXPECT_TRUE(first_of(Done{}, Done{}));
    EXPECT_EQ(first_of(Error{"a", "", 0, "", {}}, Error{"b", "", 0, "", {}}).error().operation,
              "a");
    EXPECT_EQ(first_of(Done{}, Error{"b", "", 0, "", {}}).error().operation, "b");
}

TEST(ScopeGuard, UndoesUnlessCommitted)
{
    int undone = 0;
    {
        const ScopeGuard guard([&undone] { undone++; });
    }
    EXPECT_EQ(undone, 1);
    {
        ScopeGuard guard([&undone] { undone++; });
        guard.commit();
    }
    EXPECT_EQ(undone, 1);
}

TEST(Fd, ClosesWhatItOwnsOnce)
{
    const int number = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ASSERT_GE(number, 0);
    {
        Fd first(number);
        Fd second(std::move(first));
        Fd third;
        third = std::move(second);
        EXPECT_EQ(third.get(), number);
        EXPECT_NE(fcntl(number, F_GETFD), -1);
    }
    EXPECT_EQ(fcntl(number, F_GETFD), -1);
    EXPECT_EQ(errno, EBADF);
}

} // namespace
} // namespace bmc
