// SPDX-License-Identifier: BSD-3-Clause

// What is sent to a stock memcached, over real connections of a network namespace of its
// own: who reads it here is no memcached, which makes no difference to the programs.
#include "tests/bpf/datapath.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bmc/protocol/stream.h"
#include "tests/harness/error.h"

namespace bmc::test
{
namespace
{

void check(bool ok, const char *what)
{
    if (!ok)
        throw Error(std::string(what) + ": " + std::strerror(errno));
}

sockaddr_in loopback(std::uint16_t port)
{
    sockaddr_in address{};

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

void set_option(int fd, int level, int option, int value)
{
    check(::setsockopt(fd, level, option, &value, sizeof value) == 0, "set a socket option");
}

void bind_to(int fd, std::uint16_t port)
{
    const sockaddr_in address = loopback(port);

    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    check(::bind(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0, "bind");
}

Fd make_socket(int type)
{
    Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));

    check(static_cast<bool>(fd), "make a socket");
    return fd;
}

// The calling thread in a network namespace of its own, and back.
class OwnNamespace
{
  public:
    OwnNamespace() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))
    {
        ifreq lo{};

        check(::unshare(CLONE_NEWNET) == 0, "make a network namespace");
        std::strcpy(lo.ifr_name, "lo");
        lo.ifr_flags = IFF_UP | IFF_RUNNING;
        check(::ioctl(make_socket(SOCK_DGRAM).get(), SIOCSIFFLAGS, &lo) == 0, "bring lo up");
    }
    ~OwnNamespace() { ::setns(before_.get(), CLONE_NEWNET); }
    OwnNamespace(const OwnNamespace &) = delete;
    OwnNamespace &operator=(const OwnNamespace &) = delete;

    [[nodiscard]] static std::uint64_t cookie()
    {
        std::uint64_t cookie = 0;
        socklen_t size = sizeof cookie;

        check(::getsockopt(make_socket(SOCK_DGRAM).get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie,
                           &size) == 0,
              "get the network namespace's cookie");
        return cookie;
    }

  private:
    Fd before_;
};

// The two ends of a connection to the port of the "memcached".
class Connection
{
  public:
    explicit Connection(int listener, std::uint16_t port) : client(make_socket(SOCK_STREAM))
    {
        const sockaddr_in address = loopback(port);

        check(::connect(client.get(), reinterpret_cast<const sockaddr *>(&address),
                        sizeof address) == 0,
              "connect");
        server = Fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        check(static_cast<bool>(server), "accept");
        set_option(client.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    }

    void send(std::string_view bytes) const
    {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            check(sent > 0, "send");
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    // What the server reads, until it has so many bytes or the stream ends.
    [[nodiscard]] std::string read(std::size_t size) const
    {
        std::string bytes;
        std::array<char, 65536> buffer{};

        while (bytes.size() < size) {
            pollfd ready{.fd = server.get(), .events = POLLIN, .revents = 0};
            if (::poll(&ready, 1, 10000) != 1)
                throw Error("nothing came for ten seconds; so far: " + bytes.substr(0, 100));
            const ssize_t got = ::recv(server.get(), buffer.data(), buffer.size(), 0);
            if (got == 0 || (got < 0 && errno != EAGAIN))
                break;
            bytes.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        }
        return bytes;
    }

    // Sends a piece, and expects that it arrives.
    void pass(std::string_view bytes) const
    {
        send(bytes);
        EXPECT_EQ(read(bytes.size()), bytes);
    }

    Fd client, server;
};

constexpr std::uint16_t origin_port = 11211;

// The programs attached, and a listener on the port of the origin.
struct Followed {
    Followed()
        : datapath({.config = config()}), listener(make_socket(SOCK_STREAM)),
          cgroup(::open(cgroup_root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    {
        check(static_cast<bool>(cgroup), "open the root of cgroups");
        check(bpf_prog_attach(datapath.program_fd("follow"), datapath.map_fd("connections"),
                              BPF_SK_SKB_STREAM_VERDICT, 0) == 0,
              "attach follow");
        link = Fd(bpf_link_create(datapath.program_fd("connection"), cgroup.get(),
                                  BPF_CGROUP_SOCK_OPS, nullptr));
        check(static_cast<bool>(link), "attach connection");
        listen_on(listener.get(), origin_port);
    }

    static void listen_on(int fd, std::uint16_t port)
    {
        bind_to(fd, port);
        check(::listen(fd, 64) == 0, "listen");
    }

    static bmc_config config()
    {
        bmc_config config = stock(usual_config());

        config.stock.netns_cookie = OwnNamespace::cookie();
        return config;
    }

    static std::string cgroup_root()
    {
        for (const char *const path : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"})
            if (::access((std::string(path) + "/cgroup.procs").c_str(), F_OK) == 0)
                return path;
        throw Error("no cgroup2 is mounted");
    }

    [[nodiscard]] unsigned entries(const char *map) const
    {
        std::uint64_t key = 0;
        unsigned count = 0;

        for (const std::uint64_t *before = nullptr;
             bpf_map_get_next_key(datapath.map_fd(map), before, &key) == 0; before = &key)
            count++;
        return count;
    }

    OwnNamespace name_space;
    Datapath datapath;
    Fd listener, cgroup, link;
};

class Follow : public BpfTest
{
  protected:
    void SetUp() override
    {
        BpfTest::SetUp();
        if (!IsSkipped() && !HasFatalFailure())
            followed_ = std::make_unique<Followed>();
    }

    [[nodiscard]] Datapath &dp() { return followed_->datapath; }
    [[nodiscard]] Followed &followed() { return *followed_; }
    [[nodiscard]] Connection connect()
    {
        return Connection(followed_->listener.get(), origin_port);
    }

    [[nodiscard]] std::uint64_t ticks(std::string_view key)
    {
        return dp().clock(key) / BMC_CLOCK_TICK - 1;
    }
    [[nodiscard]] std::uint64_t all_ticks()
    {
        std::uint64_t sum = 0;
        for (const std::uint64_t clock : dp().clocks())
            sum += clock / BMC_CLOCK_TICK - 1;
        return sum;
    }

  private:
    std::unique_ptr<Followed> followed_;
};

TEST_F(Follow, WritesTickBeforeTheyAreRead)
{
    const Connection c = connect();
    const std::uint64_t before = monotonic_ns();

    EXPECT_EQ(dp().counts(), (Counts{{"follow_connections", 1}}));
    c.pass("get key\r\nset key 0 0 3\r\nabc\r\nversion\r\ndelete other\r\n");
    EXPECT_EQ(ticks("key"), 1U);
    EXPECT_EQ(ticks("other"), 1U);
    EXPECT_EQ(all_ticks(), 2U);
    EXPECT_EQ(dp().counts(), (Counts{{"follow_commands", 2}, {"follow_writes", 2}}));
    for (const char *const key : {"key", "other"}) {
        EXPECT_GE(dp().slot(key).unfillable_until_ns, before + BMC_NS_PER_S);
        EXPECT_LE(dp().slot(key).unfillable_until_ns, monotonic_ns() + BMC_NS_PER_S);
        EXPECT_EQ(dp().slot(key).pending, 0U);
    }
    EXPECT_EQ(dp().control().generation, 2U);
    EXPECT_EQ(dp().control().stock.untracked, 0U);
}

TEST_F(Follow, WritesInPieces)
{
    const Connection c = connect();

    // Row 5: in the verb, in the key, behind it, and between CR and LF.
    for (const std::string_view piece :
         {"se", "t k", "ey ", "0 0 3\r", "\nabc", "\r\nmd Zm9", "v b", "\r", "\n"})
        c.pass(piece);
    EXPECT_EQ(ticks("key"), 2U);
    EXPECT_EQ(ticks("foo"), 1U);
    EXPECT_EQ(all_ticks(), 3U);
    const std::string key(200, 'k');
    const std::string binary =
        std::string("\x80\x04\0\xc8\0\0\0\0\0\0\0\xc8", 12) + std::string(12, '\0') + key;
    const Connection other = connect();
    for (const char byte : binary)
        other.pass({&byte, 1});
    EXPECT_EQ(ticks(key), 1U);
}

TEST_F(Follow, PipelineOfManyWrites)
{
    const Connection c = connect();
    std::string stream;

    for (int i = 0; i < 20000; i++)
        stream += "delete " + std::to_string(i % 100) + "\r\n";
    std::thread writer([&] { c.send(stream); });
    EXPECT_EQ(c.read(stream.size()), stream);
    writer.join();
    EXPECT_EQ(all_ticks(), 20000U);
    EXPECT_EQ(dp().control().stock.untracked, 0U);
}

TEST_F(Follow, ValueThatTakesLong)
{
    const Connection c = connect();

    c.pass("set key 0 0 10\r\n01234");
    EXPECT_EQ(dp().slot("key").pending, 1U);
    EXPECT_EQ(ticks("key"), 1U);
    dp().slot("key").unfillable_until_ns = 0;
    c.pass("56789\r");
    EXPECT_EQ(dp().slot("key").pending, 1U);
    EXPECT_EQ(ticks("key"), 1U);
    c.pass("\n");
    EXPECT_EQ(dp().slot("key").pending, 0U);
    EXPECT_EQ(ticks("key"), 2U);
    EXPECT_GT(dp().slot("key").unfillable_until_ns, monotonic_ns());
    c.pass("set key 0 0 100000\r\n");
    EXPECT_EQ(dp().slot("key").pending, 1U);
    c.pass(std::string(100000, '\n') + "\r\ndelete other\r\n");
    EXPECT_EQ(dp().slot("key").pending, 0U);
    EXPECT_EQ(ticks("other"), 1U);
    EXPECT_EQ(dp().counts()["follow_values"], 2U);
}

TEST_F(Follow, ConnectionThatEndsInAValue)
{
    {
        const Connection c = connect();
        c.pass("set key 0 0 10\r\n01234");
        EXPECT_EQ(dp().slot("key").pending, 1U);
        const linger reset{.l_onoff = 1, .l_linger = 0};
        check(::setsockopt(c.client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0,
              "ask for a reset");
        EXPECT_EQ(followed().entries("streams"), 1U);
    }
    while (followed().entries("streams") != 0)
        ;
    EXPECT_EQ(dp().slot("key").pending, 0U);
    EXPECT_EQ(ticks("key"), 2U);
    EXPECT_EQ(followed().entries("connections"), 0U);
}

TEST_F(Follow, WhatCannotBeReadIsNotFollowed)
{
    const Connection c = connect(), other = connect();

    c.pass("nonsense\r\ndelete key\r\n");
    EXPECT_EQ(dp().control().stock.untracked, 1U);
    EXPECT_EQ(dp().control().generation, 4U);
    EXPECT_GT(dp().control().stock.unfillable_until_ns, monotonic_ns());
    c.pass("delete key\r\nnonsense\r\n");
    EXPECT_EQ(ticks("key"), 0U);
    EXPECT_EQ(dp().control().stock.untracked, 1U);
    other.pass("delete key\r\n");
    EXPECT_EQ(ticks("key"), 1U);
}

TEST_F(Follow, Flush)
{
    const Connection c = connect();
    const auto now = static_cast<std::uint32_t>(monotonic_ns() / BMC_NS_PER_S);

    c.pass("flush_all\r\n");
    EXPECT_EQ(dp().control().generation, 4U);
    EXPECT_GT(dp().control().stock.unfillable_until_ns, monotonic_ns());
    EXPECT_EQ(bmc_next_expiry(&dp().control().stock.flushes, now), ~0ULL);
    c.pass("flush_all 10\r\n");
    EXPECT_EQ(dp().control().generation, 6U);
    const std::uint64_t next = bmc_next_expiry(&dp().control().stock.flushes, now);
    EXPECT_GE(next, now + 10U - 3);
    EXPECT_LE(next, now + 10U - 1);
}

TEST_F(Follow, Exptimes)
{
    const Connection c = connect();
    const auto now = static_cast<std::uint32_t>(monotonic_ns() / BMC_NS_PER_S);
    const auto next = [&](std::string_view key) {
        return bmc_next_expiry(&dp().slot(key).expiries, now);
    };

    dp().control().stock.wall_offset_s = 1000000000;
    c.pass("set a 0 0 1\r\nx\r\nset b 0 -1 1\r\nx\r\nset c 0 100 1\r\nx\r\n");
    EXPECT_EQ(next("a"), ~0ULL);
    EXPECT_EQ(next("b"), ~0ULL);
    EXPECT_GE(next("c"), now + 97U);
    EXPECT_LE(next("c"), now + 99U);
    // Within a second either way, and what the programs take for the lateness of others.
    EXPECT_EQ(bmc_next_expiry(&dp().slot("c").expiries, now + 99), 0U);
    EXPECT_EQ(bmc_next_expiry(&dp().slot("c").expiries, now + 102), 0U);
    EXPECT_EQ(bmc_next_expiry(&dp().slot("c").expiries, now + 105), ~0ULL);
    // The earlier one is kept, for the touch may find no item.
    c.pass("touch c 50\r\ntouch c 200\r\n");
    EXPECT_LE(next("c"), now + 49U);
    EXPECT_GE(bmc_next_expiry(&dp().slot("c").expiries, now + 105), now + 197U);
    EXPECT_LE(bmc_next_expiry(&dp().slot("c").expiries, now + 105), now + 199U);
    // A time of day.
    c.pass("gat " + std::to_string(1000000000 + now + 500) + " d\r\nset e 0 900000000 1\r\nx\r\n");
    EXPECT_EQ(next("d"), now + 500U - BMC_WALL_UNCERTAINTY_S);
    EXPECT_EQ(next("e"), ~0ULL);
}

TEST_F(Follow, OtherPortsAndNamespacesAreNotFollowed)
{
    const Fd listener = make_socket(SOCK_STREAM);
    Followed::listen_on(listener.get(), 11299);
    const Connection c(listener.get(), 11299);
    c.pass("delete key\r\n");
    EXPECT_EQ(all_ticks(), 0U);
    EXPECT_EQ(followed().entries("streams"), 0U);

    const OwnNamespace elsewhere;
    const Fd same_port = make_socket(SOCK_STREAM);
    Followed::listen_on(same_port.get(), origin_port);
    const Connection d(same_port.get(), origin_port);
    d.pass("delete key\r\n");
    EXPECT_EQ(all_ticks(), 0U);
    EXPECT_EQ(dp().counts(), (Counts{}));
}

// Data that comes before the connection is accepted, and the end of the stream.
TEST_F(Follow, BeforeAccept)
{
    const Fd client = make_socket(SOCK_STREAM);
    const sockaddr_in address = loopback(origin_port);

    check(::connect(client.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) ==
              0,
          "connect");
    check(::send(client.get(), "delete key\r\n", 12, 0) == 12, "send");
    check(::shutdown(client.get(), SHUT_WR) == 0, "shut down");
    const Fd server(::accept4(followed().listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::array<char, 64> buffer{};
    std::string bytes;
    ssize_t got = 0;
    while ((got = ::recv(server.get(), buffer.data(), buffer.size(), 0)) != 0)
        if (got > 0)
            bytes.append(buffer.data(), static_cast<std::size_t>(got));
    EXPECT_EQ(bytes, "delete key\r\n");
    EXPECT_EQ(ticks("key"), 1U);
}

// A retransmission that begins with what had come before, as senders make it of several
// small segments: made here by a second socket that takes over the connection some bytes
// back. A sockmap alone would hand these bytes on twice.
TEST_F(Follow, OverlappingSegments)
{
    Connection c = connect();
    sockaddr_in local{}, remote = loopback(origin_port);
    socklen_t size = sizeof local;
    std::uint32_t sent = 0, received = 0;
    const auto repair = [](int fd, int queue, std::uint32_t *sequence) {
        socklen_t length = sizeof *sequence;
        set_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
        check(::getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, sequence, &length) == 0,
              "get a sequence number");
    };

    c.pass("set key 0 0 5\r\nabc");
    check(::getsockname(c.client.get(), reinterpret_cast<sockaddr *>(&local), &size) == 0,
          "get the socket's name");
    for (const std::string_view stream : {std::string_view("abcde\r\ndelete other\r\n"),
                                          std::string_view("r\r\ndelete third\r\n")}) {
        constexpr std::size_t overlap = 3;
        set_option(c.client.get(), IPPROTO_TCP, TCP_REPAIR, 1);
        repair(c.client.get(), TCP_SEND_QUEUE, &sent);
        repair(c.client.get(), TCP_RECV_QUEUE, &received);
        c.client = Fd(); // without a word to the other end

        c.client = make_socket(SOCK_STREAM);
        set_option(c.client.get(), SOL_SOCKET, SO_REUSEADDR, 1);
        set_option(c.client.get(), IPPROTO_TCP, TCP_REPAIR, 1);
        check(::bind(c.client.get(), reinterpret_cast<sockaddr *>(&local), sizeof local) == 0,
              "bind");
        set_option(c.client.get(), IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
        set_option(c.client.get(), IPPROTO_TCP, TCP_QUEUE_SEQ,
                   static_cast<int>(sent - static_cast<std::uint32_t>(overlap)));
        set_option(c.client.get(), IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
        set_option(c.client.get(), IPPROTO_TCP, TCP_QUEUE_SEQ, static_cast<int>(received));
        check(::connect(c.client.get(), reinterpret_cast<sockaddr *>(&remote), sizeof remote) == 0,
              "take the connection over");
        const tcp_repair_window window{.snd_wl1 = received,
                                       .snd_wnd = 65535,
                                       .max_window = 65535,
                                       .rcv_wnd = 65535,
                                       .rcv_wup = received};
        check(::setsockopt(c.client.get(), IPPROTO_TCP, TCP_REPAIR_WINDOW, &window,
                           sizeof window) == 0,
              "set the window");
        set_option(c.client.get(), IPPROTO_TCP, TCP_REPAIR, -1); // TCP_REPAIR_OFF_NO_WP
        set_option(c.client.get(), IPPROTO_TCP, TCP_NODELAY, 1);
        c.send(stream);
        EXPECT_EQ(c.read(stream.size() - overlap), stream.substr(overlap));
    }
    EXPECT_EQ(dp().counts()["follow_overlaps"], 2U);
    EXPECT_EQ(ticks("key"), 2U);
    EXPECT_EQ(ticks("other"), 1U);
    EXPECT_EQ(ticks("third"), 1U);
    EXPECT_EQ(dp().control().stock.untracked, 0U);
}

// Takes sockets out of `connections` while they are written to as fast as they are read;
// every byte arrives, in order.
TEST_F(Follow, ReleaseLosesNothing)
{
    constexpr int connections = 4;
    constexpr int rounds = 12;

    for (int round = 0; round < rounds; round++) {
        std::vector<Connection> all;
        std::vector<std::thread> threads;
        std::atomic<bool> stop = false;
        std::atomic<int> wrong = 0;

        for (int i = 0; i < connections; i++)
            all.push_back(connect());
        for (Connection &c : all) {
            threads.emplace_back([&c, &stop] {
                std::uint64_t next = 0;
                while (!stop || next < 1000) {
                    std::string batch;
                    for (int k = 0; k < 100; k++, next++)
                        batch += "set k 0 0 8\r\n" + std::to_string(10000000 + next) + "\r\n";
                    c.send(batch);
                }
                ::shutdown(c.client.get(), SHUT_WR);
            });
            threads.emplace_back([&c, &wrong] {
                std::string want, bytes;
                std::uint64_t next = 0;
                for (bytes = c.read(1); !bytes.empty() && wrong == 0; bytes = c.read(1)) {
                    for (const char byte : bytes) {
                        if (want.empty()) {
                            want = "\n\r" + std::to_string(10000000 + next++) + "\n\r8 0 0 k tes";
                            std::reverse(want.begin() + 2, want.begin() + 10);
                        }
                        if (byte != want.back())
                            wrong++;
                        want.pop_back();
                    }
                }
                if (!want.empty())
                    wrong++;
            });
        }
        while (ticks("k") < 2000)
            ;
        followed().link = Fd();
        const Fd iterator(bpf_link_create(dp().program_fd("release"), 0, BPF_TRACE_ITER, nullptr));
        check(static_cast<bool>(iterator), "make the iterator");
        unsigned runs = 0;
        for (; followed().entries("connections") != 0; runs++) {
            const Fd run(bpf_iter_create(iterator.get()));
            std::array<char, 16> nothing{};
            check(::read(run.get(), nothing.data(), nothing.size()) == 0, "run the iterator");
        }
        stop = true;
        for (std::thread &thread : threads)
            thread.join();
        EXPECT_EQ(wrong, 0);
        EXPECT_GT(runs, 0U);
        followed().link = Fd(bpf_link_create(dp().program_fd("connection"), followed().cgroup.get(),
                                             BPF_CGROUP_SOCK_OPS, nullptr));
        check(static_cast<bool>(followed().link), "attach connection");
        for (std::uint64_t &clock : dp().clocks())
            clock = BMC_CLOCK_TICK;
    }
}

// Datagrams, which `filter` sees.
class FollowDatagrams : public Follow
{
  protected:
    void SetUp() override
    {
        Follow::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        const int program = dp().program_fd("filter");
        server_ = make_socket(SOCK_DGRAM);
        bind_to(server_.get(), origin_port);
        set_option(server_.get(), SOL_SOCKET, SO_ATTACH_BPF, program);
        client_ = make_socket(SOCK_DGRAM);
        const sockaddr_in address = loopback(origin_port);
        check(::connect(client_.get(), reinterpret_cast<const sockaddr *>(&address),
                        sizeof address) == 0,
              "connect");
    }

    // Sends a datagram and expects that it arrives as it is.
    void pass(const std::string &text)
    {
        const std::string datagram = std::string("\x12\x34\0\0\0\1\0\0", 8) + text;
        std::string got(65536, '\0');

        check(::send(client_.get(), datagram.data(), datagram.size(), 0) ==
                  static_cast<ssize_t>(datagram.size()),
              "send");
        const ssize_t size = ::recv(server_.get(), got.data(), got.size(), 0);
        check(size >= 0, "receive");
        got.resize(static_cast<std::size_t>(size));
        EXPECT_EQ(got, datagram);
    }

  private:
    Fd server_, client_;
};

// Row 4.
TEST_F(FollowDatagrams, WritesTick)
{
    pass("set key 0 10 3\r\nabc\r\ndelete other\r\n");
    EXPECT_EQ(ticks("key"), 1U);
    EXPECT_EQ(ticks("other"), 1U);
    EXPECT_EQ(dp().slot("key").pending, 0U);
    pass("md Zm9v b\r\n");
    EXPECT_EQ(ticks("foo"), 1U);
    pass(std::string("\x80\x04\0\x03\0\0\0\0\0\0\0\x03", 12) + std::string(12, '\0') + "key");
    EXPECT_EQ(ticks("key"), 2U);
    EXPECT_EQ(all_ticks(), 4U);
    pass("");
    pass("get key\r\n");
    EXPECT_EQ(all_ticks(), 4U);
    EXPECT_EQ(dp().control().generation, 2U);
}

TEST_F(FollowDatagrams, EachIsAStreamOfItsOwn)
{
    pass("dele");
    pass("te key\r\n"); // "te" is no command
    EXPECT_EQ(ticks("key"), 0U);
    EXPECT_EQ(dp().control().generation, 4U);
    EXPECT_EQ(dp().control().stock.untracked, 0U);
    pass("delete key\r\n");
    EXPECT_EQ(ticks("key"), 1U);
}

// memcached takes the rest of the value from whatever it reads next, at any time.
TEST_F(FollowDatagrams, ValueThatIsCutShort)
{
    pass("set key 0 0 10\r\n0123");
    pass("delete other\r\n");
    EXPECT_EQ(dp().slot("key").pending, 1U);
    EXPECT_EQ(ticks("other"), 1U);
}

TEST_F(FollowDatagrams, LargeOnes)
{
    std::string text;

    for (int i = 0; i < 3000; i++)
        text += "delete " + std::to_string(i % 100) + "\r\n";
    pass(text);
    EXPECT_EQ(all_ticks(), 3000U);
    pass("set key 0 0 60000\r\n" + std::string(60000, 'x') + "\r\nflush_all\r\n");
    EXPECT_EQ(dp().control().generation, 4U);
}

} // namespace
} // namespace bmc::test
