// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/config.h"

#include <arpa/inet.h>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bmc
{
namespace
{

using testing::HasSubstr;

Interface make_interface(uint8_t mac, uint32_t mtu = 1500, bool partial_checksums = false)
{
    Interface made;

    made.name = fmt::format("if{}", mac);
    made.index = mac + 1U;
    made.mtu = mtu;
    made.mac = {{2, 0, 0, 0, 0, mac}, {}};
    made.partial_checksums = partial_checksums;
    return made;
}

Address address(const std::string &text)
{
    return *parse_address(text);
}

const MemorySplit split = {1024, 1024, 77};

TEST(MakeConfig, FillsEverything)
{
    const auto config =
        make_config({make_interface(1, 9000), make_interface(2, 1400, true)}, {11211, 11212},
                    {address("10.0.0.1"), address("fd00::1")}, split);

    ASSERT_TRUE(config);
    EXPECT_EQ(config->mac_count, 2U);
    EXPECT_EQ(config->mac[1].byte[5], 2);
    EXPECT_EQ(config->mtu, 1400U);
    EXPECT_EQ(config->partial_checksums, 1U);
    EXPECT_EQ(config->served.port_count, 2U);
    EXPECT_EQ(config->served.port[0], htons(11211));
    EXPECT_EQ(config->served.addr4_count, 1U);
    EXPECT_EQ(config->served.addr4[0], htonl(0x0a000001));
    EXPECT_EQ(config->served.addr6_count, 1U);
    EXPECT_EQ(config->served.addr6[0].word[0], htonl(0xfd000000));
    EXPECT_EQ(config->served.addr6[0].word[3], htonl(1));
    EXPECT_EQ(config->bucket_count, 77U);
    EXPECT_EQ(config->tc_only, 0U);
}

TEST(MakeConfig, SaysThatThereIsNoXdp)
{
    const auto tc_only = [](ModeChoice mode) {
        return make_config({make_interface(1)}, {11211}, {address("10.0.0.1")}, split, {}, mode)
            ->tc_only;
    };

    EXPECT_EQ(tc_only(ModeChoice::tc), 1U);
    for (const ModeChoice mode : {ModeChoice::automatic, ModeChoice::native, ModeChoice::generic})
        EXPECT_EQ(tc_only(mode), 0U);
}

TEST(MakeConfig, WantsWholeChecksumsFromRealDevices)
{
    const auto config = make_config({make_interface(1)}, {1}, {address("10.0.0.1")}, split);

    ASSERT_TRUE(config);
    EXPECT_EQ(config->partial_checksums, 0U);
}

TEST(MakeConfig, CountsWhatIsNamedTwiceOnce)
{
    const auto config = make_config(
        {make_interface(1), make_interface(1)}, {1, 1, 2},
        {address("10.0.0.1"), address("10.0.0.1"), address("fd00::1"), address("fd00::1")}, split);

    ASSERT_TRUE(config);
    EXPECT_EQ(config->mac_count, 1U);
    EXPECT_EQ(config->served.port_count, 2U);
    EXPECT_EQ(config->served.addr4_count, 1U);
    EXPECT_EQ(config->served.addr6_count, 1U);
}

TEST(MakeConfig, RefusesMoreThanFits)
{
    std::vector<Interface> interfaces;
    std::vector<uint16_t> ports;
    std::vector<Address> v4;
    std::vector<Address> v6;

    for (uint8_t i = 0; i < BMC_MAX_MACS; i++)
        interfaces.push_back(make_interface(i));
    for (uint16_t i = 1; i <= BMC_MAX_PORTS; i++)
        ports.push_back(i);
    for (int i = 1; i <= BMC_MAX_ADDRESSES; i++) {
        v4.push_back(address(fmt::format("10.0.0.{}", i)));
        v6.push_back(address(fmt::format("fd00::{:x}", i)));
    }
    std::vector<Address> both = v4;
    both.insert(both.end(), v6.begin(), v6.end());
    ASSERT_TRUE(make_config(interfaces, ports, both, split));

    v4.push_back(address("10.0.1.1"));
    EXPECT_THAT(make_config(interfaces, ports, v4, split).error().line(),
                HasSubstr("16 IPv4 addresses"));
    v6.push_back(address("fd01::1"));
    EXPECT_THAT(make_config(interfaces, ports, v6, split).error().line(),
                HasSubstr("16 IPv6 addresses"));
    ports.push_back(100);
    EXPECT_THAT(make_config(interfaces, ports, both, split).error().line(), HasSubstr("8 ports"));
    ports.pop_back();
    interfaces.push_back(make_interface(100));
    EXPECT_THAT(make_config(interfaces, ports, both, split).error().line(),
                HasSubstr("16 interfaces"));
}

TEST(MakeConfig, RefusesToServeNothing)
{
    EXPECT_THAT(make_config({}, {1}, {address("10.0.0.1")}, split).error().line(),
                HasSubstr("--interface"));
    EXPECT_THAT(make_config({make_interface(1)}, {}, {address("10.0.0.1")}, split).error().line(),
                HasSubstr("--port"));
    EXPECT_THAT(make_config({make_interface(1)}, {1}, {}, split).error().line(),
                HasSubstr("--address"));
}

} // namespace
} // namespace bmc
