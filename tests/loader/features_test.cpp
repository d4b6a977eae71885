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

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

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

TEST_F(FeaturesTest, PrivilegeIsWhatTheWorkTakes)
{
    const struct {
        const char *mask;
        bool attach;
        bool detach;
    } rows[] = {
        {"000001ffffffffff", true, true},
        {"000000c000001000", true, true},   /* BPF, PERFMON, NET_ADMIN */
        {"0000000000201000", true, true},   /* SYS_ADMIN, NET_ADMIN */
        {"0000008000001000", false, true},  /* BPF, NET_ADMIN */
        {"000000c000000000", false, false}, /* BPF, PERFMON */
        {"0000008000000000", false, false}, /* BPF */
        {"0000000000200000", false, false}, /* SYS_ADMIN */
        {"0000004000001000", false, false}, /* PERFMON, NET_ADMIN */
        {"0000000000000000", false, false},
    };

    for (const auto &row : rows) {
        const Features features = with_capabilities(row.mask);

        EXPECT_EQ(static_cast<bool>(features.privilege(Work::attach)), row.attach) << row.mask;
        EXPECT_EQ(static_cast<bool>(features.privilege(Work::detach)), row.detach) << row.mask;
    }
}

TEST_F(FeaturesTest, MissingPrivilegeIsNamedForTheWork)
{
    const Features none = with_capabilities("0");

    EXPECT_THAT(none.privilege(Work::attach).error().line(),
                AllOf(HasSubstr("load BPF programs"), HasSubstr("CAP_PERFMON")));
    EXPECT_THAT(none.privilege(Work::detach).error().line(),
                AllOf(HasSubstr("CAP_NET_ADMIN"), Not(HasSubstr("load"))));
}

TEST_F(FeaturesTest, UnreadablePrivilegeIsNone)
{
    const Features features({.btf = {}, .bpffs = {}, .process_status = file()});

    EXPECT_FALSE(features.privilege(Work::detach));
}

} // namespace
} // namespace bmc
