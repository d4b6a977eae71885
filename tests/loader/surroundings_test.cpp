// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/config.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bmc
{
namespace
{

using testing::HasSubstr;

const MemorySplit split = {1024, 1024, 77};
const std::vector<uint16_t> ports = {11211};

Interface eth0()
{
    Interface made;

    made.name = "eth0";
    made.index = 2;
    made.mtu = 1500;
    return made;
}

std::vector<Address> addresses()
{
    return {*parse_address("10.0.0.1")};
}

TEST(VlanConfig, ReadsTheKernelsTable)
{
    std::istringstream text("VLAN Dev name    | VLAN ID\n"
                            "Name-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n"
                            "eth0.5         | 5  | eth0\n"
                            "back           | 4094  | eth1\n");
    const auto devices = parse_vlan_config(text);

    ASSERT_EQ(devices.size(), 2U);
    EXPECT_EQ(devices[0].name, "eth0.5");
    EXPECT_EQ(devices[0].id, 5);
    EXPECT_EQ(devices[0].parent, "eth0");
    EXPECT_EQ(devices[1].name, "back");
    EXPECT_EQ(devices[1].id, 4094);
    EXPECT_EQ(devices[1].parent, "eth1");
}

TEST(VlanConfig, IsEmptyWithoutVlans)
{
    std::istringstream text;

    EXPECT_TRUE(parse_vlan_config(text).empty());
}

TEST(MakeConfig, TakesTheVlansOfItsInterfacesOnly)
{
    Surroundings around;
    around.vlans = {{"eth0.5", "eth0", 5}, {"eth1.6", "eth1", 6}};
    const auto config = make_config({eth0()}, ports, addresses(), split, around);

    ASSERT_TRUE(config);
    EXPECT_EQ(config->vlan_count, 1U);
    EXPECT_EQ(config->vlan[0], BMC_VLAN(5, 0));
}

TEST(MakeConfig, RefusesADeviceThatStripsTheTagsOfItsVlans)
{
    Surroundings around;
    Interface strips = eth0();
    strips.strips_vlan_tags = true;

    EXPECT_TRUE(make_config({strips}, ports, addresses(), split, around));
    around.vlans = {{"eth0.5", "eth0", 5}};
    const auto config = make_config({strips}, ports, addresses(), split, around);
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().line(), HasSubstr("ethtool -K eth0 rxvlan off"));

    /* TC sees the tags. */
    EXPECT_TRUE(make_config({strips}, ports, addresses(), split, around, ModeChoice::tc));
}

TEST(MakeConfig, RefusesBroadcastSources)
{
    Surroundings around;
    around.broadcast4 = {0xff00000a, 0xff00000a, 0xff00a8c0};
    const auto config = make_config({eth0()}, ports, addresses(), split, around);

    ASSERT_TRUE(config);
    EXPECT_EQ(config->broadcast4_count, 2U);
    EXPECT_EQ(config->broadcast4[1], 0xff00a8c0U);
}

} // namespace
} // namespace bmc
