// SPDX-License-Identifier: BSD-3-Clause
//
// Who may be the origin of an instance, and what is left when it ends.

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "memcached-sr/tests/fixture.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

namespace
{

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

// Whoever was given a copy of a socket keeps it open.
TEST_F(Life, SocketsThatAnEarlierOriginGaveAwayAreTakenOut)
{
    const auto pid = static_cast<pid_t>(maps().control().origin_pid);
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    std::vector<Fd> copies;

    for (int fd = 0; fd < 100; fd++) {
        Fd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
        int type = 0;
        socklen_t size = sizeof(type);

        if (copy && ::getsockopt(copy.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
            type == SOCK_DGRAM)
            copies.push_back(std::move(copy));
    }
    origin().kill();
    ASSERT_EQ(maps().sockets(), 2U) << "the copies keep the sockets open";
    EXPECT_EQ(run({program_path("memcached-sr"), "-u", "nobody", "-p", "11300", "-U", "11300", "-o",
                   "bmc=" + maps().folder()},
                  &lab().server())
                  .status,
              EX_CONFIG)
        << "it has no socket where bmc is attached";
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

/// A folder in memory that any user may write to; goes with the object.
class SharedFolder
{
  public:
    SharedFolder() : path_(fmt::format("/dev/shm/memcached-sr-test-{}", ::getpid()))
    {
        std::filesystem::create_directory(path_);
        std::filesystem::permissions(path_, std::filesystem::perms::all);
    }
    SharedFolder(const SharedFolder &) = delete;
    SharedFolder &operator=(const SharedFolder &) = delete;
    ~SharedFolder()
    {
        std::error_code ignored;

        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::string &path() const { return path_; }

  private:
    std::string path_;
};

// The items of a memory file are there again, with the exptimes that they had.
TEST_F(Life, RestartFromAMemoryFile)
{
    constexpr std::int64_t second = 1000000000;
    const SharedFolder folder;
    const std::vector<std::string> options = {"-e", folder.path() + "/items"};

    start_origin(options);
    store("k", "1", 0, 1000);
    store("forever", "2");
    expect_value_granted("k", "1");
    const bmc_grant before = maps().grant("k");

    origin().process().signal(SIGUSR1); // the graceful end, which keeps the file
    EXPECT_EQ(origin().process().wait(), 0);
    // memcached refuses a file of the second that it starts in
    wait_until("the next second", [end = std::time(nullptr)] { return std::time(nullptr) > end; });
    start_origin(options);
    expect_value_granted("k", "1");
    const bmc_grant after = maps().grant("k");
    expect_value_granted("forever", "2");
    EXPECT_GT(after.generation, before.generation);
    EXPECT_EQ(maps().grant("forever").deadline_ns, BMC_NO_DEADLINE);
    // memcached carries whole seconds of the day's time over
    EXPECT_LE(std::abs(static_cast<std::int64_t>(after.deadline_ns - before.deadline_ns)),
              2 * second);
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

TEST_F(Ownership, IsNotForAnotherTimeNamespace)
{
    const PinnedMaps maps(lab().server());
    const Result result =
        run({"unshare", "--time", "--monotonic", "1000", "--fork", program_path("memcached-sr"),
             "-u", "nobody", "-p", "11300", "-U", "11300", "-o", "bmc=" + maps.folder()},
            &lab().server());

    EXPECT_NE(result.status, 0);
    EXPECT_NE(result.err.find("this time namespace has a CLOCK_MONOTONIC of its own"),
              std::string::npos)
        << result.err;
    EXPECT_EQ(maps.generation(), 0U);
}

// A second clock cannot be ruled out where /proc does not tell.
TEST_F(Ownership, NeedsProcToKnowTheClock)
{
    const PinnedMaps maps(lab().server());
    const Result result =
        run({"unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh",
             program_path("memcached-sr"), "-u", "nobody", "-p", "11300", "-U", "11300", "-o",
             "bmc=" + maps.folder()},
            &lab().server());

    EXPECT_NE(result.status, 0);
    EXPECT_NE(result.err.find("cannot read /proc/self/timens_offsets"), std::string::npos)
        << result.err;
    EXPECT_EQ(maps.generation(), 0U);
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
