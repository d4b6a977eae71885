// SPDX-License-Identifier: BSD-3-Clause
//
// Finds memcached, its sockets and its connections from outside, and asks it.

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "bmc/lib/interface.h"
#include "bmc/lib/process.h"
#include "bmc/lib/stock/client.h"
#include "bmc/lib/stock/memcached.h"
#include "bmc/lib/stock/sock_diag.h"
#include "tests/harness/cache.h"
#include "tests/harness/client.h"
#include "tests/harness/error.h"
#include "tests/harness/origin.h"
#include "tests/harness/wait.h"
#include "tests/loader/fixture.h"

namespace bmc::test
{
namespace
{

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr std::chrono::seconds long_enough{20};

class StockMemcached : public LoaderTest
{
  protected:
    static std::unique_ptr<Origin> start(std::vector<std::string> more = {}, uint16_t port = 11211)
    {
        return std::make_unique<Origin>(
            server(), Origin::Options{.port = port, .more = std::move(more), .stock = true});
    }

    /// In the server's network namespace.
    template <class Work>
    static auto inside(const Work &work)
    {
        std::optional<decltype(work())> result;

        server().enter([&] { result.emplace(work()); });
        return std::move(*result);
    }

    static std::optional<Memcached> find(const std::vector<uint16_t> &ports)
    {
        auto found = inside([&] { return find_memcached(ports); });

        EXPECT_TRUE(found) << found.error().line();
        return found ? std::move(*found) : std::nullopt;
    }

    /// "udp 10.77.0.1:11211"
    static std::vector<std::string> texts(const Memcached &memcached)
    {
        std::vector<std::string> all;

        for (const ServerSocket &socket : memcached.sockets) {
            if (socket.family == AF_UNIX)
                all.push_back("unix " + socket.path);
            else
                all.push_back(
                    fmt::format("{} {}", socket.is_udp() ? "udp" : "tcp",
                                ListenAddress{socket.address.text(), socket.port}.text()));
        }
        return all;
    }

    static std::vector<ListedSocket> connections(uint16_t port = 11211)
    {
        const auto found = inside([&] { return list_sockets(SocketKind::tcp_connected, port); });

        EXPECT_TRUE(found) << found.error().line();
        return found ? *found : std::vector<ListedSocket>();
    }

    static MemcachedClient ask(const Memcached &memcached)
    {
        const auto listening =
            std::find_if(memcached.sockets.begin(), memcached.sockets.end(),
                         [](const ServerSocket &socket) { return !socket.is_udp(); });
        auto client =
            inside([&] { return MemcachedClient::connect(*listening, long_enough); });

        if (!client)
            throw Error(client.error().line());
        return std::move(*client);
    }
};

Fd bound_udp_socket(uint16_t port)
{
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in here = {};

    here.sin_family = AF_INET;
    here.sin_port = htons(port);
    EXPECT_EQ(bind(socket.get(), reinterpret_cast<sockaddr *>(&here), sizeof here), 0);
    return socket;
}

Fd unix_listener(const std::string &name)
{
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un here = {};

    here.sun_family = AF_UNIX;
    name.copy(here.sun_path + 1, sizeof here.sun_path - 1);
    EXPECT_EQ(bind(socket.get(), reinterpret_cast<sockaddr *>(&here),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())),
              0);
    EXPECT_EQ(listen(socket.get(), 1), 0);
    return socket;
}

uint64_t cookie_of(const Fd &socket)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;

    EXPECT_EQ(getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
    return cookie;
}

/// The whole dump.
std::map<std::string, int64_t> dump(MemcachedClient &client)
{
    std::map<std::string, int64_t> items;

    if (const Status started = client.start_dump(); !started)
        throw Error(started.error().line());
    for (;;) {
        pollfd readable = {client.fd(), POLLIN, 0};
        EXPECT_EQ(poll(&readable, 1, 20'000), 1);
        const auto done = client.read_dump(
            [&](std::string_view key, int64_t expires) { items[std::string(key)] = expires; });
        if (!done)
            throw Error(done.error().line());
        if (*done)
            return items;
    }
}

TEST_F(StockMemcached, IsFoundByItsUdpPort)
{
    EXPECT_FALSE(find({11211}));
    const auto memcached =
        start({"-l", std::string(Lab::server4) + ",127.0.0.1:11212," + Lab::server6});
    const auto found = find({11211});

    ASSERT_TRUE(found);
    EXPECT_EQ(found->pid, static_cast<uint32_t>(memcached->process().pid()));
    EXPECT_THAT(texts(*found),
                UnorderedElementsAre("tcp 10.77.0.1:11211", "udp 10.77.0.1:11211",
                                     "tcp 127.0.0.1:11212", "udp 127.0.0.1:11212",
                                     "tcp [fd77::1]:11211", "udp [fd77::1]:11211"));
    EXPECT_THAT(tcp_ports(*found), UnorderedElementsAre(11211, 11212));
    EXPECT_FALSE(find({11213}));

    EXPECT_FALSE(ended(found->process));
    memcached->kill();
    EXPECT_TRUE(ended(found->process));
    EXPECT_FALSE(find({11211}));
}

TEST_F(StockMemcached, ListensOnAllAddressesByDefault)
{
    const auto memcached = start();
    const auto found = find({11211});

    ASSERT_TRUE(found);
    EXPECT_THAT(texts(*found), UnorderedElementsAre("tcp 0.0.0.0:11211", "tcp [::]:11211",
                                                    "udp 0.0.0.0:11211", "udp [::]:11211"));
    for (const ServerSocket &socket : found->sockets)
        EXPECT_FALSE(socket.both);
}

/* This process stands in for a memcached that has one: Debian's has no other socket then. */
TEST_F(StockMemcached, UnixSocketsAreFound)
{
    const std::string name = lab().name() + "-socket";
    const Fd udp = inside([] { return bound_udp_socket(11211); });
    const Fd listener = inside([&] { return unix_listener(name); });
    const auto found = find({11211});

    ASSERT_TRUE(found);
    EXPECT_EQ(found->pid, static_cast<uint32_t>(getpid()));
    EXPECT_THAT(texts(*found), UnorderedElementsAre("udp 0.0.0.0:11211", "unix @" + name));
}

TEST_F(StockMemcached, MustBeOneProcess)
{
    const auto memcached = start();
    const Fd udp = inside([] { return bound_udp_socket(11212); });
    const auto found = inside([] { return find_memcached({11211, 11212}); });

    ASSERT_FALSE(found);
    EXPECT_THAT(found.error().line(),
                testing::AllOf(HasSubstr(std::to_string(getpid())),
                               HasSubstr(std::to_string(memcached->process().pid())),
                               HasSubstr("one memcached")));
}

TEST_F(StockMemcached, OtherNetworkNamespacesHaveOthers)
{
    const auto memcached = start();
    const auto pid = static_cast<uint32_t>(memcached->process().pid());
    uint64_t theirs = 0;
    socklen_t size = sizeof theirs;
    const Fd socket = inside([] { return bound_udp_socket(0); });

    ASSERT_EQ(getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &theirs, &size), 0);
    EXPECT_FALSE(*find_memcached({11211}));
    const auto found = open_memcached(pid, theirs);
    ASSERT_TRUE(found) << found.error().line();
    EXPECT_EQ((*found)->sockets.size(), 4U);
    const auto elsewhere = open_memcached(pid, theirs + 1);
    ASSERT_TRUE(elsewhere) << elsewhere.error().line();
    EXPECT_EQ((*elsewhere)->sockets.size(), 0U);
}

TEST_F(StockMemcached, SocketsAreTaken)
{
    const auto memcached = start({"-l", Lab::server4});
    const auto found = find({11211});

    ASSERT_TRUE(found);
    for (const ServerSocket &socket : found->sockets) {
        const auto copy = duplicate(*found, socket);
        ASSERT_TRUE(copy) << copy.error().line();
        const auto listed = inside([&] {
            return list_sockets(socket.is_udp() ? SocketKind::udp : SocketKind::tcp_listening,
                                11211);
        });
        ASSERT_TRUE(listed) << listed.error().line();
        ASSERT_EQ(listed->size(), 1U);
        EXPECT_EQ(listed->front().cookie, cookie_of(*copy));
        EXPECT_EQ(listed->front().inode, socket.inode);
    }
    ServerSocket wrong = found->sockets.front();
    wrong.inode++;
    EXPECT_FALSE(duplicate(*found, wrong));
    memcached->kill();
    EXPECT_FALSE(duplicate(*found, found->sockets.front()));
}

TEST_F(StockMemcached, ConnectionsAreListedAndReset)
{
    const auto memcached = start();

    EXPECT_THAT(connections(), testing::IsEmpty());
    TcpClient first(lab().client(), {Lab::server4});
    TcpClient second(lab().client(), {Lab::server6});
    TcpClient third(server(), {"127.0.0.1"});
    EXPECT_EQ(first.ask("set a 0 0 1\r\n1\r\n"), "STORED\r\n");
    const auto all = connections();
    ASSERT_EQ(all.size(), 3U);
    EXPECT_THAT(connections(11212), testing::IsEmpty());

    const auto from_client = std::find_if(
        all.begin(), all.end(), [](const auto &one) { return one.peer.text() == Lab::client4; });
    ASSERT_NE(from_client, all.end());
    for (int i = 0; i < 2; i++) { // the second finds it gone
        const Status done = inside([&] { return reset_connection(*from_client); });
        EXPECT_TRUE(done) << done.error().line();
    }
    EXPECT_THROW(first.read_line(), Error);
    EXPECT_EQ(connections().size(), 2U);
    EXPECT_EQ(second.ask("get a\r\n"), "VALUE a 0 1\r\n");
    EXPECT_EQ(third.ask("delete a\r\n"), "DELETED\r\n");
}

TEST_F(StockMemcached, TellsAboutItself)
{
    const auto memcached = start();
    const auto found = find({11211});

    ASSERT_TRUE(found);
    MemcachedClient client = ask(*found);
    const auto stats = client.stats();
    ASSERT_TRUE(stats) << stats.error().line();
    EXPECT_EQ(stats->at("pid"), std::to_string(found->pid));
    const auto settings = client.stats("settings");
    ASSERT_TRUE(settings) << settings.error().line();
    EXPECT_EQ(settings->at("ssl_enabled"), "no");
    EXPECT_FALSE(client.stats("nonsense"));
}

TEST_F(StockMemcached, DumpsItsKeys)
{
    constexpr int many = 3000;
    const auto memcached = start();
    const auto found = find({11211});
    TcpClient tcp(lab().client(), {Lab::server4});

    ASSERT_TRUE(found);
    EXPECT_EQ(tcp.ask("set a%/\xc3\xa9\" 0 0 1\r\n1\r\n"), "STORED\r\n");
    EXPECT_EQ(tcp.ask("set at 0 2000000000 1\r\n1\r\n"), "STORED\r\n");
    for (int i = 0; i < many; i++)
        EXPECT_EQ(tcp.ask(fmt::format("set item-{} 0 1000 1\r\n1\r\n", i)), "STORED\r\n");

    MemcachedClient client = ask(*found);
    const auto stats = client.stats();
    ASSERT_TRUE(stats) << stats.error().line();
    const int64_t now = std::stoll(stats->at("time"));
    auto items = dump(client);
    EXPECT_EQ(items.size(), many + 2U);
    EXPECT_EQ(items.at("a%/\xc3\xa9\""), -1);
    EXPECT_EQ(items.at("at"), 2000000000);
    for (const auto &[key, expires] : items) {
        if (!key.starts_with("item-"))
            continue;
        EXPECT_LE(expires, now + 1000);
        EXPECT_GT(expires, now + 900);
    }
}

TEST_F(StockMemcached, SaysThatItDoesNotDump)
{
    const auto memcached = start({"-X"});
    const auto found = find({11211});

    ASSERT_TRUE(found);
    MemcachedClient client = ask(*found);
    EXPECT_THAT([&] { dump(client); }, testing::ThrowsMessage<Error>(HasSubstr("it answers '")));
}

TEST_F(StockMemcached, CheckSaysWhatIsInTheWay)
{
    const auto check = [](const std::vector<std::string> &more) {
        std::vector<std::string> arguments = {"check",    "--interface", Lab::interface,
                                              "--memory", "1M",          "--origin",
                                              "stock"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run_bmc(arguments, &server());
    };

    EXPECT_THAT(check({}).out, HasSubstr("none has UDP port 11211 here"));
    const auto memcached = start({"-X"});
    const TcpClient client(lab().client(), {Lab::server4});
    const test::Result refused = check({});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.out,
                testing::AllOf(
                    HasSubstr(fmt::format("memcached with pid {}, TCP port 11211",
                                          memcached->process().pid())),
                    HasSubstr("fail     old items: memcached does not tell"),
                    HasSubstr("warning  connections: 1 open already")));
    EXPECT_THAT(check({"--max-age", "60", "--reset-connections"}).out,
                testing::AllOf(HasSubstr("ok       old items: values are at most 60 s old"),
                               HasSubstr("ok       connections: 1 older than the attach")));
}

} // namespace
} // namespace bmc::test
