// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/versions.h"

#include <gtest/gtest.h>

namespace loadgen
{
namespace
{

TEST(VersionTable, OneSetPerKeyAtATime)
{
    VersionTable versions(2);
    EXPECT_EQ(versions.begin_set(0), 1U);
    EXPECT_EQ(versions.begin_set(0), std::nullopt);
    EXPECT_EQ(versions.begin_set(1), 1U);
    EXPECT_EQ(versions.sent(0), 1U);
    EXPECT_EQ(versions.acknowledged(0), 0U);
    versions.end_set(0);
    EXPECT_EQ(versions.acknowledged(0), 1U);
    EXPECT_EQ(versions.begin_set(0), 2U);
    EXPECT_EQ(versions.acknowledged(0), 1U);
    EXPECT_EQ(versions.sent(0), 2U);
}

} // namespace
} // namespace loadgen
