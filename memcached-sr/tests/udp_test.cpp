// SPDX-License-Identifier: BSD-3-Clause
//
// Replies as datagram sequences, one socket per worker, and bad options.

#include <algorithm>
#include <arpa/inet.h>
#include <fstream>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <set>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <vector>

#include <fmt/format.h>

#include "bmc/lib/fd.h"
#include "memcached-sr/tests/fixture.h"
#include "tests/harness/error.h"
#include "tests/harness/process.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

namespace
{

/// CPUs that this process may use.
std::vector<int> own_cpus()
{
    cpu_set_t set;
    std::vector<int> result;

    if (::sched_getaffinity(0, sizeof(set), &set) != 0)
        throw system_error("sched_getaffinity");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &set))
            result.push_back(cpu);
    }
    return result;
}

/// Keeps the calling thread on one CPU.
class OnCpu
{
  public:
    explicit OnCpu(int cpu)
    {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (::sched_getaffinity(0, sizeof(before_), &before_) != 0 ||
            ::sched_setaffinity(0, sizeof(set), &set) != 0)
            throw system_error(fmt::format("run on CPU {}", cpu));
    }
    OnCpu(const OnCpu &) = delete;
    OnCpu &operator=(const OnCpu &) = delete;
    ~OnCpu() { ::sched_setaffinity(0, sizeof(before_), &before_); }

  private:
    cpu_set_t before_{};
};

/// Sends a request with UDP source port 0, which nobody can answer.
void send_unanswerable(const NetNs &where, const std::string &request)
{
    const std::string body = std::string("\0\x2a\0\0\0\1\0\0", 8) + request;
    const udphdr header = {.uh_sport = 0,
                           .uh_dport = htons(11211),
                           .uh_ulen = htons(static_cast<std::uint16_t>(8 + body.size())),
                           .uh_sum = 0};
    std::string packet(reinterpret_cast<const char *>(&header), sizeof(header));
    sockaddr_in to{};

    packet += body;
    to.sin_family = AF_INET;
    ::inet_pton(AF_INET, Lab::server4, &to.sin_addr);
    where.enter([&] {
        const Fd fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP));

        if (!fd || ::sendto(fd.get(), packet.data(), packet.size(), 0,
                            reinterpret_cast<const sockaddr *>(&to), sizeof(to)) < 0)
            throw system_error("send a raw UDP packet");
    });
}

class Sequences : public Server
{
  protected:
    void SetUp() override
    {
        origin_.emplace(start({"-o", "udp_sequence,slab_chunk_max=16", "-t", "1"}));
        tcp_.emplace(Server::tcp());
        udp_.emplace(Server::udp());
    }

    TcpClient &tcp() { return *tcp_; }
    UdpClient &udp() { return *udp_; }

    void store(const std::string &key, const std::string &value)
    {
        ASSERT_EQ(tcp().ask(fmt::format("set {} 0 0 {}\r\n{}\r\n", key, value.size(), value)),
                  "STORED\r\n");
    }

    std::uint64_t stat(const std::string &name)
    {
        tcp().send("stats\r\n");
        const std::string all = tcp().read_until("END\r\n");
        const std::string start = fmt::format("STAT {} ", name);
        const auto at = all.find(start);

        if (at == std::string::npos)
            throw Error("no statistic " + name);
        return std::stoull(all.substr(at + start.size()));
    }

  private:
    std::optional<Origin> origin_;
    std::optional<TcpClient> tcp_;
    std::optional<UdpClient> udp_;
};

TEST_F(Sequences, OneDatagramForAMultiGet)
{
    store("a", "1");
    store("b", "2");

    const auto reply = udp().ask_datagrams("get a none b\r\n");

    ASSERT_TRUE(reply.has_value());
    ASSERT_EQ(reply->size(), 1U);
    EXPECT_EQ((*reply)[0].payload, "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n");
}

TEST_F(Sequences, ManyKeysOfManySizes)
{
    std::string request = "get";
    std::string expected;

    for (unsigned i = 0; i < 100; i++) {
        const std::string key = fmt::format("key-{}", i);

        request += " " + key;
        if (i % 3 == 0)
            continue;
        const std::string value(i * 37 % 2000, static_cast<char>('a' + i % 26));
        store(key, value);
        expected += fmt::format("VALUE {} 0 {}\r\n{}\r\n", key, value.size(), value);
    }
    expected += "END\r\n";

    const MemcachedFrame frame = {.request_id = 4711};
    std::vector<std::string> parts;

    // Raw datagrams: nothing may come twice or under another header.
    udp().send(frame, request + "\r\n");
    const std::size_t total = (expected.size() + 1391) / 1392;
    for (std::size_t i = 0; i < total; i++) {
        const auto datagram = udp().receive(reply_limit);

        ASSERT_TRUE(datagram.has_value()) << i << " of " << total;
        EXPECT_EQ(datagram->frame.request_id, 4711);
        EXPECT_EQ(datagram->frame.sequence, i);
        EXPECT_EQ(datagram->frame.total, total);
        EXPECT_LE(datagram->payload.size(), 1392U);
        parts.push_back(datagram->payload);
    }
    EXPECT_EQ(fmt::format("{}", fmt::join(parts, "")), expected);
    EXPECT_EQ(udp().ask("mn\r\n"), "MN\r\n");
}

TEST_F(Sequences, ItemsInChunks)
{
    // Of 16 kB each. The reply is well below what a socket can receive at once.
    std::string value(40000, 'x');

    for (std::size_t i = 0; i < value.size(); i++)
        value[i] = static_cast<char>('a' + i % 23);
    store("k", value);
    store("l", "1");
    EXPECT_EQ(
        udp().ask("get l k l\r\n"),
        fmt::format("VALUE l 0 1\r\n1\r\nVALUE k 0 40000\r\n{}\r\nVALUE l 0 1\r\n1\r\nEND\r\n",
                    value));
}

TEST_F(Sequences, OneForAllCommandsOfADatagram)
{
    std::string request = "set a 0 0 1\r\n1\r\nget a\r\nmn\r\nset a 0 0 1 noreply\r\n2\r\n";
    std::string expected = "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\nMN\r\n";

    for (int i = 0; i < 100; i++) { // more than -R allows per event
        request += "get a\r\n";
        expected += "VALUE a 0 1\r\n2\r\nEND\r\n";
    }
    EXPECT_EQ(udp().ask(request), expected);
}

TEST_F(Sequences, NothingIsCarriedOver)
{
    EXPECT_EQ(udp().ask("set a 0 0 100\r\nshort\r\n"), "CLIENT_ERROR bad data chunk\r\n");
    EXPECT_EQ(udp().ask("get a\r\n"), "END\r\n");
    EXPECT_EQ(udp().ask("ms a 100\r\nshort\r\n"), "CLIENT_ERROR bad data chunk\r\n");
    EXPECT_EQ(udp().ask("get a\r\n"), "END\r\n");
    EXPECT_EQ(udp().ask("set a 0 0 2000000\r\nshort\r\n"),
              "SERVER_ERROR object too large for cache\r\n");
    EXPECT_EQ(udp().ask("get a\r\nget a"), "END\r\n");
    EXPECT_EQ(udp().ask("get a\r\nget " + std::string(4000, 'x')), "END\r\n");
    EXPECT_EQ(udp().ask("get a\r\nquit\r\nget a\r\n"), "END\r\n");
    EXPECT_EQ(udp().ask("get a\r\nmn\r\nget a\r\n"), "END\r\nMN\r\nEND\r\n");
}

TEST_F(Sequences, NoReplyMeansNone)
{
    const std::vector<std::string> silent = {"set a 0 0 1 noreply\r\n1\r\n", "quit\r\n", "get a",
                                             "set a 0 0 9 noreply\r\n1\r\n"};

    for (const std::string &request : silent)
        udp().send({.request_id = 1}, request);
    // The one worker answers in order: the first that comes belongs to this.
    udp().send({.request_id = 2}, "get a\r\n");
    const auto reply = udp().receive(reply_limit);
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->frame.request_id, 2);
    EXPECT_EQ(reply->payload, "VALUE a 0 1\r\n1\r\nEND\r\n");
}

TEST_F(Sequences, WatchersDoNotTakeTheSocket)
{
    EXPECT_EQ(udp().ask("watch\r\n"), "CLIENT_ERROR not available over UDP\r\n");
    EXPECT_EQ(udp().ask("lru_crawler metadump all\r\n"), "CLIENT_ERROR not available over UDP\r\n");
    EXPECT_EQ(udp().ask("lru_crawler mgdump all\r\n"), "CLIENT_ERROR not available over UDP\r\n");
    EXPECT_EQ(udp().ask("mn\r\n"), "MN\r\n");
}

TEST_F(Sequences, WhatCannotBeSentIsDropped)
{
    const auto dropped = stat("udp_replies_dropped");

    store("a", std::string(3000, 'x'));
    send_unanswerable(lab().client(), "get a\r\n");
    send_unanswerable(lab().client(), "get b\r\n");
    udp().send({.request_id = 7}, "get c\r\n");
    const auto reply = udp().receive(reply_limit);
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->frame.request_id, 7);
    EXPECT_EQ(reply->frame.sequence, 0);
    EXPECT_EQ(reply->frame.total, 1);
    EXPECT_EQ(reply->payload, "END\r\n");
    EXPECT_EQ(stat("udp_replies_dropped"), dropped + 2);
}

TEST_F(Sequences, ResponseObjectsAreGivenBack)
{
    for (int i = 0; i < 50; i++) {
        send_unanswerable(lab().client(), "get a b c d\r\n");
        EXPECT_EQ(udp().ask("get a b c d\r\nset e 0 0 9\r\n"),
                  "END\r\nCLIENT_ERROR bad data chunk\r\n");
    }
    // The object of this very "stats" is the only one.
    EXPECT_EQ(stat("response_obj_count"), 1U);
}

TEST_F(Sequences, BinaryProtocol)
{
    // Two no-ops in one datagram, and a set whose value is cut off.
    const std::string noop("\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
    const std::string answer("\x81\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
    const std::string cut("\x80\x01\0\1\x08\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\0"
                          "\0\0\0\0\0\0\0\0kxyz",
                          36);

    EXPECT_EQ(udp().ask(noop + noop), answer + answer);
    EXPECT_EQ(udp().ask(noop + cut), answer);
    EXPECT_EQ(udp().ask("get k\r\n"), "END\r\n");
}

class Sockets : public Server
{
  protected:
    /// Lines of /proc/PID/net/NAME for local port 11211 in this state.
    static std::size_t bound(pid_t pid, const std::string &name, const std::string &state)
    {
        std::ifstream file(fmt::format("/proc/{}/net/{}", pid, name));
        std::size_t count = 0;

        for (std::string line; std::getline(file, line);) {
            std::istringstream words(line);
            std::string slot;
            std::string local;
            std::string remote;
            std::string found;

            words >> slot >> local >> remote >> found;
            if (local.ends_with(":2BCB") && found == state)
                count++;
        }
        return count;
    }
    static std::size_t udp_sockets(pid_t pid) { return bound(pid, "udp", "07"); }
    static std::size_t udp6_sockets(pid_t pid) { return bound(pid, "udp6", "07"); }
};

TEST_F(Sockets, OnePerWorker)
{
    for (const char *workers : {"1", "3", "4"}) {
        Origin origin = start({"-o", "udp_reuseport", "-t", workers});

        EXPECT_EQ(udp_sockets(origin.process().pid()), std::stoul(workers));
        EXPECT_EQ(udp6_sockets(origin.process().pid()), std::stoul(workers));
        EXPECT_EQ(bound(origin.process().pid(), "tcp", "0A"), 1U);
        for (int i = 0; i < 20; i++) {
            EXPECT_EQ(udp().ask("mn\r\n"), "MN\r\n");
            EXPECT_EQ(UdpClient(lab().client(), {Lab::server6}).ask("mn\r\n"), "MN\r\n");
        }
    }
}

TEST_F(Sockets, OnePerWorkerAndAddress)
{
    Origin origin =
        start({"-o", "udp_reuseport", "-t", "2", "-l", fmt::format("127.0.0.1,{}", Lab::server4)});

    EXPECT_EQ(udp_sockets(origin.process().pid()), 4U);
    EXPECT_EQ(udp().ask("mn\r\n"), "MN\r\n");
}

TEST_F(Sockets, StockHasOneWithoutTheOption)
{
    Origin origin = start({"-t", "3"});

    EXPECT_EQ(udp_sockets(origin.process().pid()), 1U);
    EXPECT_EQ(UdpClient(lab().client(), {Lab::server4}).ask("mn\r\n"), "MN\r\n");
}

TEST_F(Sockets, PortsAreNotShared)
{
    for (const char *first : {"udp_reuseport", "udp_sequence"}) {
        Origin origin = start({"-o", first});

        expect_refusal({"-p", "11211", "-U", "11300", "-o", "udp_reuseport"},
                       "failed to listen on TCP port 11211");
        expect_refusal({"-p", "11300", "-U", "11211", "-o", "udp_reuseport"},
                       "UDP port 11211 of 0.0.0.0 is in use");
    }
}

/// For each UDP socket of 0.0.0.0, in the order of the workers: the seconds since
/// its last command, from `stats conns`.
std::vector<long> idle_seconds(TcpClient &tcp)
{
    tcp.send("stats conns\r\n");
    std::istringstream all(tcp.read_until("END\r\n"));
    std::set<int> sockets;
    std::vector<long> result;

    for (std::string line; std::getline(all, line);) {
        int fd = 0;
        char text[64] = {}; // NOLINT(cppcoreguidelines-avoid-c-arrays): for sscanf
        long seconds = 0;

        if (std::sscanf(line.c_str(), "STAT %d:addr %63s", &fd, text) == 2 &&
            std::string(text).starts_with("udp:0.0.0.0"))
            sockets.insert(fd);
        else if (std::sscanf(line.c_str(), "STAT %d:secs_since_last_cmd %ld", &fd, &seconds) == 2 &&
                 sockets.contains(fd))
            result.push_back(seconds);
    }
    return result;
}

TEST_F(Sockets, PacketsGoToTheWorkerOfTheirCpu)
{
    const std::vector<int> cpus = own_cpus();

    if (cpus.size() < 2)
        GTEST_SKIP() << "SKIP: needs two CPUs";
    // Backwards, so that index of socket and number of CPU differ.
    Origin origin =
        start({"-t", "2", "-o", fmt::format("udp_reuseport,worker_cpus={},{}", cpus[1], cpus[0])});
    TcpClient stats = tcp();

    for (const std::size_t worker : {0U, 1U}) {
        wait_until("both workers have been idle", [&] {
            const std::vector<long> idle = idle_seconds(stats);

            return idle.size() == 2 && idle[0] >= 2 && idle[1] >= 2;
        });
        // Over veth a packet stays on the CPU of its sender.
        {
            const OnCpu here(cpus[1 - worker]);

            for (int i = 0; i < 20; i++) // flows that hashing would spread
                EXPECT_EQ(udp().ask("mn\r\n"), "MN\r\n");
        }
        const std::vector<long> idle = idle_seconds(stats);
        ASSERT_EQ(idle.size(), 2U);
        EXPECT_LT(idle[worker], idle[1 - worker]) << "worker " << worker;
    }
}

TEST_F(Sockets, PacketsOfOtherCpusAreAnsweredToo)
{
    const std::vector<int> cpus = own_cpus();

    if (cpus.size() < 2)
        GTEST_SKIP() << "SKIP: needs two CPUs";
    for (const int worker_cpu : cpus) {
        Origin origin =
            start({"-t", "1", "-o", fmt::format("udp_reuseport,worker_cpus={}", worker_cpu)});

        for (const int cpu : cpus) {
            const OnCpu here(cpu);

            EXPECT_EQ(udp().ask("mn\r\n"), "MN\r\n") << cpu << " to " << worker_cpu;
        }
    }
}

struct BadOption {
    std::vector<std::string> arguments;
    std::string line;
};

class BadOptions : public Server
{
};

TEST_F(BadOptions, EndWithOneLine)
{
    const std::vector<std::string> ports = {"-p", "11300", "-U", "11300"};
    const std::vector<BadOption> bad = {
        {{"-o", "worker_cpus"}, "worker_cpus needs a list"},
        {{"-o", "worker_cpus="}, "not a list of CPUs"},
        {{"-o", "worker_cpus=x"}, "not a list of CPUs"},
        {{"-o", "worker_cpus=2-1"}, "not a list of CPUs"},
        {{"-o", "worker_cpus=0-"}, "not a list of CPUs"},
        {{"-o", "worker_cpus=-1"}, "not a list of CPUs"},
        {{"-o", "worker_cpus=1024"}, "not a list of CPUs"},
        {{"-o", "worker_cpus=99999999999999999999"}, "not a list of CPUs"},
        {{"-o", "worker_cpus=0,0"}, "CPU 0 is named twice"},
        {{"-o", "worker_cpus=0", "-o", "worker_cpus=1"}, "given twice"},
        {{"-o", "worker_cpus=0-1,5", "-t", "4"}, "worker_cpus names 3 CPUs for 4 workers"},
        {{"-o", "worker_cpus=1023", "-t", "1"}, "CPU 1023 does not exist"},
        {{"-o", "udp_reuseport=4"}, "takes no value"},
        {{"-o", "udp_sequence=1"}, "takes no value"},
        {{"-o", "udp_reuseport", "-U", "0"}, "udp_reuseport needs UDP"},
        {{"-o", "bmc"}, "bmc needs the pin folder"},
        {{"-o", "bmc="}, "bmc needs the pin folder"},
        {{"-o", "bmc=/a,bmc=/b"}, "bmc is given twice"},
        {{"-o", "bmc=/no/such/folder"}, "cannot open the folder"},
        {{"-o", "bmc=/proc/self/status"}, "cannot open the folder"},
        {{"-o", "bmc=/no/such/folder", "-U", "0"}, "bmc needs UDP"},
        {{"-o", "bmc=/no/such/folder,ext_path=/tmp/none:64m"}, "extstore"},
    };

    for (const BadOption &option : bad) {
        std::vector<std::string> arguments = ports;

        arguments.insert(arguments.end(), option.arguments.begin(), option.arguments.end());
        expect_refusal(arguments, option.line);
    }
}

} // namespace

} // namespace bmc::test
