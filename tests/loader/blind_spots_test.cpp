// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/blind_spots.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <gmock/gmock.h>

namespace bmc
{
namespace
{

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ServerSocket listener(uint16_t port, int protocol = IPPROTO_TCP)
{
    ServerSocket socket;

    socket.family = AF_INET;
    socket.type = SOCK_STREAM;
    socket.protocol = protocol;
    socket.port = port;
    return socket;
}

Memcached with(std::vector<ServerSocket> sockets)
{
    Memcached memcached;

    memcached.pid = 12;
    memcached.sockets = std::move(sockets);
    return memcached;
}

TEST(BlindSpots, OrdinaryMemcachedHasNone)
{
    ServerSocket udp = listener(11211, IPPROTO_UDP);
    udp.type = SOCK_DGRAM;

    EXPECT_THAT(find_blind_spots(with({listener(11211), udp}), {11211},
                                 {{"ssl_enabled", "no"}, {"domain_socket", "NULL"}}),
                IsEmpty());
}

TEST(BlindSpots, EachIsNamed)
{
    ServerSocket unix_socket = listener(0, 0);
    unix_socket.family = AF_UNIX;
    unix_socket.path = "/run/memcached.sock";

    EXPECT_THAT(find_blind_spots(with({unix_socket}), {}, {}),
                ElementsAre("unix socket /run/memcached.sock"));
    EXPECT_THAT(find_blind_spots(with({listener(11211), listener(11300)}), {11211}, {}),
                ElementsAre(HasSubstr("TCP port 11300")));
    EXPECT_THAT(find_blind_spots(with({listener(11211, IPPROTO_MPTCP)}), {11211}, {}),
                ElementsAre("Multipath TCP at port 11211"));
    EXPECT_THAT(find_blind_spots(with({}), {}, {{"ssl_enabled", "yes"}}), ElementsAre("TLS"));
    EXPECT_THAT(find_blind_spots(with({}), {}, {{"proxy_enabled", "yes"}}),
                ElementsAre(HasSubstr("proxy")));
    EXPECT_THAT(blind(12, {"TLS", "a"}).line(),
                testing::AllOf(HasSubstr("pid 12"), HasSubstr("TLS, a"),
                               HasSubstr("--accept-blind-spots")));
}

TEST(WatchedPorts, AreThoseOfMemcachedFirst)
{
    const Memcached memcached = with({listener(12000), listener(11211)});

    EXPECT_THAT(watched_ports({11211, 11212}, nullptr), ElementsAre(11211, 11212));
    EXPECT_THAT(watched_ports({11211, 11212}, &memcached), ElementsAre(12000, 11211, 11212));
    std::vector<ServerSocket> many;
    for (uint16_t port = 1; port <= BMC_MAX_PORTS + 1; port++)
        many.push_back(listener(port));
    const Memcached crowded = with(std::move(many));
    EXPECT_EQ(watched_ports({11211}, &crowded).size(), size_t{BMC_MAX_PORTS});
    EXPECT_THAT(find_blind_spots(crowded, watched_ports({11211}, &crowded), {}),
                ElementsAre(HasSubstr("TCP port 9")));
}

} // namespace
} // namespace bmc
