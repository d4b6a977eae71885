// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/access.h"

#include <gmock/gmock.h>

namespace bmc
{
namespace
{

using testing::AllOf;
using testing::HasSubstr;

std::optional<Exposure> exposure_of(const std::vector<const char *> &addresses,
                                    const std::vector<const char *> &allow = {})
{
    std::vector<Address> parsed;
    Access access;

    for (const char *text : addresses)
        parsed.push_back(*parse_address(text));
    for (const char *text : allow)
        access.allow.push_back(*parse_prefix(text));
    return exposure(parsed, access);
}

TEST(Access, PrivateAddresses)
{
    const std::pair<const char *, bool> rows[] = {
        {"10.255.255.255", true},
        {"11.0.0.0", false},
        {"9.255.255.255", false},
        {"172.15.255.255", false},
        {"172.16.0.0", true},
        {"172.31.255.255", true},
        {"172.32.0.0", false},
        {"192.168.0.1", true},
        {"192.167.255.255", false},
        {"192.169.0.0", false},
        {"100.63.255.255", false},
        {"100.64.0.0", true},
        {"100.127.255.255", true},
        {"100.128.0.0", false},
        {"169.254.1.1", true},
        {"169.253.1.1", false},
        {"127.0.0.1", true},
        {"203.0.113.1", false},
        {"fc00::1", true},
        {"fdff:ffff::1", true},
        {"fbff::1", false},
        {"fe00::1", false},
        {"fe80::1", true},
        {"febf::1", true},
        {"fec0::1", false},
        {"::1", true},
        {"::2", false},
        {"2001:db8::1", false},
    };

    for (const auto &[text, expected] : rows)
        EXPECT_EQ(is_private(*parse_address(text)), expected) << text;
}

TEST(Access, PublicAddressIsExposed)
{
    const auto exposed = exposure_of({"10.0.0.1", "203.0.113.7", "2001:db8::1"});

    ASSERT_TRUE(exposed);
    EXPECT_THAT(exposed->line(), AllOf(HasSubstr("203.0.113.7"), HasSubstr("--allow")));
    EXPECT_FALSE(exposure_of({"10.0.0.1", "fd00::1", "127.0.0.1"}));
}

TEST(Access, ListThatLeavesAnybodyOutIsNoExposure)
{
    EXPECT_FALSE(exposure_of({"203.0.113.7"}, {"203.0.113.0/24"}));
    EXPECT_FALSE(exposure_of({"203.0.113.7"}, {"0.0.0.0/1", "10.0.0.0/8"}));
    EXPECT_FALSE(exposure_of({"203.0.113.7"}, {"0.0.0.0/1", "0.0.0.0/2", "64.0.0.0/2"}));
    EXPECT_FALSE(exposure_of({"203.0.113.7"}, {"::/0"})) << "nobody by IPv4";
    EXPECT_FALSE(exposure_of({"2001:db8::1"}, {"0.0.0.0/0"}));
}

TEST(Access, ListOfEverybodyIsExposure)
{
    EXPECT_TRUE(exposure_of({"203.0.113.7"}, {"0.0.0.0/0"}));
    EXPECT_TRUE(exposure_of({"203.0.113.7"}, {"128.0.0.0/1", "10.0.0.0/8", "0.0.0.0/1"}));
    EXPECT_TRUE(exposure_of({"2001:db8::1"}, {"fd00::/8", "::/0"}));
    EXPECT_TRUE(exposure_of({"2001:db8::1"}, {"::/2", "4000::/2", "8000::/1"}));
}

TEST(Access, LeastBudget)
{
    EXPECT_TRUE(check_min_budget(4096));
    EXPECT_FALSE(check_min_budget(4095));
    EXPECT_FALSE(check_min_budget(0));
}

} // namespace
} // namespace bmc
