// SPDX-License-Identifier: BSD-3-Clause
//
// What a get over UDP grants, and who may be the origin of an instance.

#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/file.h>
#include <thread>

#include <fmt/format.h>

#include "memcached-sr/tests/fixture.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

namespace
{

constexpr std::uint64_t second = 1000000000;

std::uint64_t now()
{
    timespec time{};

    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * second +
           static_cast<std::uint64_t>(time.tv_nsec);
}

/// Whether a process other than this one has the folder open.
bool opened_by_another(const std::string &folder)
{
    namespace fs = std::filesystem;

    for (const fs::directory_entry &process : fs::directory_iterator("/proc")) {
        const std::string pid = process.path().filename();
        std::error_code gone;

        if (pid.find_first_not_of("0123456789") != std::string::npos ||
            pid == std::to_string(::getpid()))
            continue;
        for (fs::directory_iterator fd(process.path() / "fd", gone), end; !gone && fd != end;
             fd.increment(gone))
            if (fs::read_symlink(*fd, gone) == folder)
                return true;
    }
    return false;
}

using Grants = WithMaps;

TEST_F(Grants, SayVersionGenerationAndContent)
{
    store("k", "value", 4294967295);
    expect_value_granted("k", "value", 4294967295);
    EXPECT_EQ(maps().grant("k").deadline_ns, BMC_NO_DEADLINE);

    store("empty", "");
    expect_value_granted("empty", "");
    store("binary", std::string("\r\nEND\r\n\0x", 9));
    expect_value_granted("binary", std::string("\r\nEND\r\n\0x", 9));
}

TEST_F(Grants, EveryKeyOfAMultiGet)
{
    const std::string request = "get a b c\r\n";

    store("a", "1");
    store("c", "3");
    EXPECT_EQ(udp().ask(request), "VALUE a 0 1\r\n1\r\nVALUE c 0 1\r\n3\r\nEND\r\n");
    EXPECT_EQ(maps().grant("a").content, maps().content(0, "1"));
    EXPECT_EQ(maps().grant("b").key_hash, maps().hash("b"));
    EXPECT_EQ(maps().grant("b").content, BMC_CONTENT_ABSENT);
    EXPECT_EQ(maps().grant("c").content, maps().content(0, "3"));
}

TEST_F(Grants, OnlyClassicGetsOverUdp)
{
    store("k", "1");
    EXPECT_NE(expect_no_grant("gets k\r\n", "k").find("VALUE k 0 1 "), std::string::npos);
    EXPECT_EQ(expect_no_grant("gat 0 k\r\n", "k"), "VALUE k 0 1\r\n1\r\nEND\r\n");
    EXPECT_EQ(expect_no_grant("mg k v\r\n", "k"), "VA 1\r\n1\r\n");
    EXPECT_EQ(expect_no_grant("mg absent v\r\n", "absent"), "EN\r\n");

    maps().clear_grant("k");
    expect_tcp("get k\r\n", "VALUE k 0 1\r\n1\r\nEND\r\n");
    EXPECT_EQ(maps().grant("k").check, 0U);
}

TEST_F(Grants, NotForKeysThatAreTooLong)
{
    const std::string longest(250, 'k');

    expect_absence_granted(longest);
    EXPECT_EQ(expect_no_grant("get " + longest + "k\r\n", longest + "k"),
              "CLIENT_ERROR bad command line format\r\n");
}

TEST_F(Grants, NotForValuesThatNeedTwoDatagrams)
{
    // "VALUE k 0 1367" CR LF, the value, CR LF "END" CR LF are 1392 bytes.
    const std::string fits(1392 - 16 - 7, 'x');

    store("k", fits);
    expect_value_granted("k", fits);
    store("k", fits + "x");
    EXPECT_NE(expect_no_grant("get k\r\n", "k"), "no reply");
}

TEST_F(Grants, NotForItemsInChunks)
{
    start_origin({"-o", "slab_chunk_max=1"});
    store("k", std::string(1300, 'x')); // fits a datagram, but lies in two places
    EXPECT_EQ(expect_no_grant("get k\r\n", "k"),
              fmt::format("VALUE k 0 1300\r\n{}\r\nEND\r\n", std::string(1300, 'x')));
}

TEST_F(Grants, EndWithTheExptime)
{
    const std::uint64_t before = now();
    store("k", "1", 0, 100);
    expect_value_granted("k", "1");
    const std::uint64_t deadline = maps().grant("k").deadline_ns;

    // memcached counts whole seconds of the clock: it may lag by the second of
    // its timer and the second it is in.
    EXPECT_EQ(deadline % second, second - second / 1000);
    EXPECT_GE(deadline, before + 97 * second);
    EXPECT_LE(deadline, now() + 100 * second);

    expect_tcp("touch k 0\r\n", "TOUCHED\r\n");
    expect_value_granted("k", "1");
    EXPECT_EQ(maps().grant("k").deadline_ns, BMC_NO_DEADLINE);
}

TEST_F(Grants, EndBeforeMemcachedDeniesTheItem)
{
    store("k", "1", 0, 2);
    expect_value_granted("k", "1");
    const std::uint64_t deadline = maps().grant("k").deadline_ns;

    wait_until("the item expires", [this] { return udp().ask("get k\r\n") == "END\r\n"; });
    EXPECT_GT(now(), deadline);
}

TEST_F(Grants, NotWhileTheGenerationIsOdd)
{
    // As if a flush_all were between its two steps.
    store("k", "1");
    maps().set_generation(maps().generation() + 1);
    EXPECT_EQ(expect_no_grant("get k\r\n", "k"), "VALUE k 0 1\r\n1\r\nEND\r\n");
    EXPECT_EQ(expect_no_grant("get absent\r\n", "absent"), "END\r\n");
}

TEST_F(Grants, FromEveryWorker)
{
    start_origin({"-t", "4", "-o", "udp_reuseport"});
    store("k", "1");
    for (int i = 0; i < 32; i++) {
        maps().clear_grant("k");
        UdpClient client = Server::udp(); // another flow, another worker
        EXPECT_EQ(client.ask("get k\r\n"), "VALUE k 0 1\r\n1\r\nEND\r\n");
        EXPECT_EQ(maps().grant("k").content, maps().content(0, "1"));
    }
}

using Life = WithMaps;

TEST_F(Life, SocketsAreThereWhileItRuns)
{
    EXPECT_EQ(maps().control().origin_pid, static_cast<__u32>(origin().process().pid()));
    EXPECT_TRUE(maps().has_socket(bmc_endpoint(0, 0)));
    EXPECT_TRUE(maps().has_socket(bmc_endpoint(BMC_MAX_ADDRESSES, 0)));
    EXPECT_EQ(maps().sockets(), 2U);

    start_origin({"-t", "4", "-o", "udp_reuseport"});
    EXPECT_EQ(maps().sockets(), 2U);
}

// The kernel removes them as it closes them; nobody has to notice.
TEST_F(Life, SocketsEndWithTheProcess)
{
    origin().kill();
    EXPECT_EQ(maps().sockets(), 0U);
    start_origin();
    EXPECT_EQ(maps().sockets(), 2U);
    origin().stop();
    EXPECT_EQ(maps().sockets(), 0U);
}

TEST_F(Life, OrderlyEnd)
{
    const std::uint64_t generation = maps().generation();

    origin().stop();
    EXPECT_EQ(maps().control().origin_pid, 0U);
    EXPECT_EQ(maps().generation(), generation + 1);
}

TEST_F(Life, RestartAfterSigkill)
{
    store("k", "1");
    expect_value_granted("k", "1");
    const std::uint64_t generation = maps().generation();

    origin().kill();
    EXPECT_EQ(maps().generation(), generation);
    start_origin(); // the lock is free again
    EXPECT_GT(maps().generation(), generation);
    expect_absence_granted("k");
}

TEST_F(Life, RestartAfterSigkillInAnOddGeneration)
{
    const std::uint64_t generation = maps().generation() + 1;

    origin().kill();
    maps().set_generation(generation);
    start_origin();
    EXPECT_GT(maps().generation(), generation);
    expect_absence_granted("k");
}

TEST_F(Life, OneOwner)
{
    const bmc_control before = maps().control();

    expect_refusal({"-p", "11300", "-U", "11300", "-o", "bmc=" + maps().folder()},
                   "another memcached is the origin of this instance");
    EXPECT_EQ(maps().generation(), before.generation);
    EXPECT_EQ(maps().sockets(), 2U);
    EXPECT_EQ(maps().control().origin_pid, before.origin_pid);
}

// As `bmc stats` does, to see whether there is an origin.
TEST_F(Life, IsNotRefusedBecauseSomebodyLooks)
{
    origin().stop();
    const Fd folder(::open(maps().folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    ASSERT_EQ(::flock(folder.get(), LOCK_SH | LOCK_NB), 0);
    const std::jthread lets_go([&] {
        // held until memcached-sr has been there: it opens the folder first
        wait_until("memcached-sr has come", [&] { return opened_by_another(maps().folder()); });
        ::flock(folder.get(), LOCK_UN);
    });
    start_origin();
    EXPECT_EQ(maps().sockets(), 2U);
}

/// A memcached-sr in the background, which is no child of this process.
class Daemon
{
  public:
    Daemon(const NetNs &where, const std::string &pins)
        : pid_file_(fmt::format("{}/memcached-sr-test-{}.pid",
                                std::filesystem::temp_directory_path().string(), ::getpid()))
    {
        run_checked({program_path("memcached-sr"), "-u", "root", "-d", "-P", pid_file_, "-p",
                     "11211", "-U", "11211", "-o", "bmc=" + pins},
                    &where);
        wait_until("the daemon writes its pid", [this] {
            std::ifstream file(pid_file_);

            return static_cast<bool>(file >> pid_);
        });
    }
    Daemon(const Daemon &) = delete;
    Daemon &operator=(const Daemon &) = delete;
    ~Daemon()
    {
        if (pid_ > 0)
            ::kill(pid_, SIGTERM);
    }

    /// Asks it to end and waits until it has.
    void stop()
    {
        ::kill(pid_, SIGTERM);
        wait_until("the daemon ends", [this] { return ::kill(pid_, 0) != 0 && errno == ESRCH; });
        pid_ = -1;
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

  private:
    std::string pid_file_; // memcached removes it
    pid_t pid_ = -1;
};

using Ownership = Server;

TEST_F(Ownership, IsInheritedByADaemon)
{
    const PinnedMaps maps(lab().server());
    Daemon daemon(lab().server(), maps.folder());

    wait_until("it serves", [&] { return maps.generation() % 2 == 0 && maps.generation() != 0; });
    EXPECT_EQ(maps.sockets(), 2U);
    EXPECT_EQ(maps.control().origin_pid, static_cast<__u32>(daemon.pid()));
    expect_refusal({"-p", "11300", "-U", "11300", "-o", "bmc=" + maps.folder()},
                   "another memcached is the origin of this instance");
    daemon.stop();
    EXPECT_EQ(maps.sockets(), 0U);
    EXPECT_EQ(maps.generation() % 2, 1U);
}

class BadMaps : public Server
{
  protected:
    static void expect_refused(const PinnedMaps &maps, std::string_view line)
    {
        expect_refusal({"-p", "11300", "-U", "11300", "-o", "bmc=" + maps.folder()}, line);
        EXPECT_EQ(maps.sockets(), 0U);
    }
    static PinnedMaps maps_with(const PinnedMaps::Faults &faults)
    {
        return {lab().server(), faults};
    }
};

TEST_F(BadMaps, AreRefused)
{
    expect_refused(maps_with({.magic = 1}), "the control map is not one of bmc");
    expect_refused(maps_with({.layout_version = BMC_LAYOUT_VERSION + 1}), "layout version");
    expect_refused(maps_with({.clock_size = 16}), "clocks: not a mappable array");
    expect_refused(maps_with({.mappable = false}), "clocks: not a mappable array");
    expect_refused(maps_with({.grant_count = 8192}), "the map grants has another size");
    expect_refused(maps_with({.pin_grants = false}), "grants: cannot open the pinned map");
}

TEST_F(BadMaps, ControlOfAnotherSizeIsNotTouched)
{
    const PinnedMaps maps(lab().server(), {.layout_version = BMC_LAYOUT_VERSION + 1});

    expect_refused(maps, "layout version");
    EXPECT_EQ(maps.generation(), 0U);
}

} // namespace

} // namespace bmc::test
