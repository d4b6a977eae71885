// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/parse.h"

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace bmc
{
namespace
{

TEST(ParseSize, ReadsDigitsAndBinarySuffixes)
{
    const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {
        {"0", 0},
        {"1", 1},
        {"1048576", 1048576},
        {"1K", 1024},
        {"1k", 1024},
        {"256M", uint64_t{256} << 20},
        {"8G", uint64_t{8} << 30},
        {"3g", uint64_t{3} << 30},
        {"2T", uint64_t{2} << 40},
        {"18446744073709551615", UINT64_MAX},
        {"16777215T", uint64_t{16777215} << 40},
    };

    for (const auto &row : rows) {
        const auto size = parse_size(row.text);
        ASSERT_TRUE(size) << row.text;
        EXPECT_EQ(*size, row.bytes) << row.text;
    }
}

TEST(ParseSize, RefusesEverythingElse)
{
    for (const char *text :
         {"", "M", "-1", "+1", " 1", "1 ", "1.5G", "1MB", "1KK", "0x10", "abc", "12X", "1\n",
          "18446744073709551616", "16777216T", "99999999999999999999999G"})
        EXPECT_FALSE(parse_size(text)) << text;
}

TEST(FormatSize, IsReadBackAsItself)
{
    for (const uint64_t bytes :
         {uint64_t{0}, uint64_t{1}, uint64_t{1023}, uint64_t{1024}, uint64_t{1536},
          uint64_t{256} << 20, uint64_t{3} << 40, (uint64_t{1} << 30) + 1}) {
        const auto again = parse_size(format_size(bytes));
        ASSERT_TRUE(again) << bytes;
        EXPECT_EQ(*again, bytes);
    }
    EXPECT_EQ(format_size(uint64_t{256} << 20), "256M");
    EXPECT_EQ(format_size(1536), "1536");
    EXPECT_EQ(format_size(0), "0");
}

TEST(ParsePort, ReadsPortsOnly)
{
    for (const char *text : {"1", "11211", "65535"}) {
        const auto port = parse_port(text);
        ASSERT_TRUE(port) << text;
        EXPECT_EQ(std::to_string(*port), text);
    }
    for (const char *text : {"", "0", "65536", "70000", "-1", "+1", "1a", "a", " 1", "1.0",
                             "4294967297", "18446744073709551617"})
        EXPECT_FALSE(parse_port(text)) << text;
}

TEST(ParseAddress, ReadsBothFamilies)
{
    const auto v4 = parse_address("10.77.0.1");
    ASSERT_TRUE(v4);
    EXPECT_EQ(v4->family, AF_INET);
    EXPECT_EQ(ntohl(v4->v4.s_addr), 0x0a4d0001U);
    EXPECT_EQ(v4->text(), "10.77.0.1");

    const auto v6 = parse_address("FD77:0::1");
    ASSERT_TRUE(v6);
    EXPECT_EQ(v6->family, AF_INET6);
    EXPECT_EQ(v6->v6.s6_addr[0], 0xfd);
    EXPECT_EQ(v6->v6.s6_addr[15], 1);
    EXPECT_EQ(v6->text(), "fd77::1");

    EXPECT_FALSE(*v4 == *v6);
    EXPECT_TRUE(*v6 == *parse_address("fd77::1"));
}

TEST(ParseAddress, RefusesWhatNoHostAnswersFor)
{
    for (const char *text : {"", "localhost", "10.0.0", "10.0.0.256", "10.0.0.1/8", "10.0.0.1 ",
                             "fe80::1%eth0", "fd00::g", "0.0.0.0", "0.1.2.3", "224.0.0.1",
                             "255.255.255.255", "240.0.0.1", "::", "ff02::1", "::ffff:10.0.0.1"})
        EXPECT_FALSE(parse_address(text)) << text;
}

TEST(InstanceName, IsAPlainWord)
{
    EXPECT_TRUE(check_instance_name("default"));
    EXPECT_TRUE(check_instance_name("A-z_09"));
    EXPECT_TRUE(check_instance_name(std::string(64, 'a')));

    EXPECT_FALSE(check_instance_name(std::string(65, 'a')));
    for (const char *name :
         {"", ".", "..", "a.b", "a/b", "../x", "a b", "a+new", "\xc3\xa4", "a\n"})
        EXPECT_FALSE(check_instance_name(name)) << name;
}

TEST(ParseListenAddress, ReadsPortsWithAndWithoutAddress)
{
    const struct {
        const char *text;
        const char *host;
        uint16_t port;
        const char *again;
    } rows[] = {
        {"9250", "127.0.0.1", 9250, "127.0.0.1:9250"},
        {"10.0.0.1:1", "10.0.0.1", 1, "10.0.0.1:1"},
        {"0.0.0.0:65535", "0.0.0.0", 65535, "0.0.0.0:65535"},
        {"[::]:80", "::", 80, "[::]:80"},
        {"[fd00::1]:80", "fd00::1", 80, "[fd00::1]:80"},
    };

    for (const auto &row : rows) {
        const auto listen = parse_listen_address(row.text);
        ASSERT_TRUE(listen) << row.text;
        EXPECT_EQ(listen->host, row.host);
        EXPECT_EQ(listen->port, row.port);
        EXPECT_EQ(listen->text(), row.again);
    }
}

TEST(ParseListenAddress, RefusesEverythingElse)
{
    for (const char *text :
         {"", ":", "0", "65536", ":80", "80:", "localhost:80", "[]:80", "[::1]", "::1:80",
          "[10.0.0.1]:80", "10.0.0.1", "10.0.0.1:0", "10.0.0:80", "[fe80::1%eth0]:80", " 80"})
        EXPECT_FALSE(parse_listen_address(text)) << text;
}

TEST(ParseSeconds, TakesUpToThreeDecimals)
{
    const std::pair<const char *, int> cases[] = {
        {"0", 0}, {"2", 2000}, {"0.25", 250}, {"1.5", 1500}, {"0.001", 1}, {"86400", 86'400'000}};

    for (const auto &[text, milliseconds] : cases) {
        const auto time = parse_seconds(text);
        ASSERT_TRUE(time) << text;
        EXPECT_EQ(time->count(), milliseconds) << text;
        EXPECT_EQ(format_seconds(*time), text);
    }
}

TEST(ParseSeconds, RefusesOthers)
{
    for (const char *text : {"", ".", "1.", ".5", "-1", "+1", "1s", "1e3", "0.0001", "1.2.3", " 1",
                             "4294967296", "0x1"})
        EXPECT_FALSE(parse_seconds(text)) << text;
}

} // namespace
} // namespace bmc
