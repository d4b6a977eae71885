// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/features.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bmc
{
namespace
{

using testing::HasSubstr;

class FeaturesTest : public testing::Test
{
  protected:
    void SetUp() override { ASSERT_NE(mkdtemp(folder_.data()), nullptr); }
    void TearDown() override
    {
        unlink(file().c_str());
        rmdir(folder_.c_str());
    }

    std::string file() const { return folder_ + "/status"; }

    /// Features of a process whose capabilities are these.
    Features with_capabilities(const char *mask) const
    {
        std::ofstream(file()) << "Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t" << mask
                              << "\nCapBnd:\tffffffffffffffff\n";
        return Features({.btf = {}, .bpffs = {}, .process_status = file()});
    }

    std::string folder_ = testing::TempDir() + "bmc-features-XXXXXX";
};

TEST_F(FeaturesTest, MissingTypeInformationIsNamed)
{
    const Features features({.btf = folder_ + "/vmlinux", .bpffs = {}, .process_status = {}});
    const Status status = features.btf();

    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().line(), HasSubstr(folder_ + "/vmlinux"));
    EXPECT_THAT(status.error().line(), HasSubstr("CONFIG_DEBUG_INFO_BTF=y"));
}

TEST_F(FeaturesTest, MissingBpfFileSystemComesWithTheCommandToMountIt)
{
    for (const std::string &path : {folder_, folder_ + "/nothing"}) {
        const Features features({.btf = {}, .bpffs = path, .process_status = {}});
        const Status status = features.bpffs();

        ASSERT_FALSE(status);
        EXPECT_THAT(status.error().line(), HasSubstr("mount -t bpf bpf " + path));
    }
}

TEST_F(FeaturesTest, PrivilegeIsBpfPerfmonAndNetAdmin)
{
    EXPECT_TRUE(with_capabilities("000001ffffffffff").privilege());
    EXPECT_TRUE(with_capabilities("000000c000001000").privilege()); /* exactly the three */
    EXPECT_TRUE(with_capabilities("0000000000201000").privilege()); /* SYS_ADMIN, NET_ADMIN */

    EXPECT_FALSE(with_capabilities("0000000000000000").privilege());
    EXPECT_FALSE(with_capabilities("000000c000000000").privilege()); /* no NET_ADMIN */
    EXPECT_FALSE(with_capabilities("0000008000001000").privilege()); /* no PERFMON */
    EXPECT_FALSE(with_capabilities("0000004000001000").privilege()); /* no BPF */
    EXPECT_FALSE(with_capabilities("0000000000200000").privilege()); /* SYS_ADMIN only */
}

TEST_F(FeaturesTest, UnreadablePrivilegeIsNone)
{
    const Features features({.btf = {}, .bpffs = {}, .process_status = file()});

    EXPECT_FALSE(features.privilege());
}

} // namespace
} // namespace bmc
