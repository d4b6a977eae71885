// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/process.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/harness/error.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

namespace
{

Fd memory_file(const char *name)
{
    Fd fd(::memfd_create(name, MFD_CLOEXEC));

    if (!fd)
        throw system_error("memfd_create");
    return fd;
}

std::string content(int fd)
{
    std::string text;
    char part[4096];
    ssize_t n = 0;

    while ((n = ::pread(fd, part, sizeof(part), static_cast<off_t>(text.size()))) > 0)
        text.append(part, static_cast<std::size_t>(n));
    return text;
}

// Only async-signal-safe calls: this runs between fork and exec.
[[noreturn]] void become(char *const *argv, int where, int out, int err)
{
    const int null = ::open("/dev/null", O_RDONLY);

    // Nothing is left behind if the test itself is killed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null >= 0 && ::dup2(null, STDIN_FILENO) >= 0 && ::dup2(out, STDOUT_FILENO) >= 0 &&
        ::dup2(err, STDERR_FILENO) >= 0 && (where < 0 || ::setns(where, CLONE_NEWNET) == 0))
        ::execvp(argv[0], argv);
    const char *reason = ::strerrordesc_np(errno);
    (void)!::write(err, reason, std::strlen(reason));
    ::_exit(127);
}

} // namespace

Process::Process(const std::vector<std::string> &arguments, const NetNs *where)
    : name_(fmt::format("{}", fmt::join(arguments, " "))), out_(memory_file("out")),
      err_(memory_file("err"))
{
    std::vector<std::string> copy = arguments;
    std::vector<char *> argv;

    argv.reserve(copy.size() + 1);
    for (std::string &argument : copy)
        argv.push_back(argument.data());
    argv.push_back(nullptr);

    pid_ = ::fork();
    if (pid_ < 0)
        throw system_error("fork for " + name_);
    if (pid_ == 0)
        become(argv.data(), where == nullptr ? -1 : where->fd(), out_.get(), err_.get());
}

Process::Process(Process &&other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(other.status_), name_(std::move(other.name_)),
      out_(std::move(other.out_)), err_(std::move(other.err_))
{
}

Process &Process::operator=(Process &&other) noexcept
{
    if (this != &other) {
        end();
        pid_ = std::exchange(other.pid_, -1);
        status_ = other.status_;
        name_ = std::move(other.name_);
        out_ = std::move(other.out_);
        err_ = std::move(other.err_);
    }
    return *this;
}

Process::~Process()
{
    end();
}

void Process::end() noexcept
{
    if (pid_ > 0 && !status_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    pid_ = -1;
}

bool Process::running()
{
    int status = 0;

    if (status_)
        return false;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == 0)
        return true;
    if (ended < 0)
        throw system_error("waitpid for " + name_);
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
}

void Process::signal(int number) const
{
    if (!status_ && ::kill(pid_, number) != 0)
        throw system_error(fmt::format("signal {} to {}", number, name_));
}

int Process::wait(std::chrono::milliseconds limit)
{
    wait_until(
        "the end of " + name_, [this] { return !running(); }, limit);
    return *status_;
}

std::string Process::out() const
{
    return content(out_.get());
}

std::string Process::err() const
{
    return content(err_.get());
}

bool Process::listens(std::uint16_t port, bool tcp) const
{
    // proc(5), /proc/net/tcp: "sl local_address rem_address st ..." with the
    // address as HEX:PORT; st 0A is listening, for UDP 07 is unconnected.
    const std::string wanted_state = tcp ? "0A" : "07";
    const std::string wanted_port = fmt::format(":{:04X}", port);

    for (const char *family : {"", "6"}) {
        std::ifstream table(fmt::format("/proc/{}/net/{}{}", pid_, tcp ? "tcp" : "udp", family));
        std::string line;

        std::getline(table, line); // headings
        while (std::getline(table, line)) {
            std::istringstream words(line);
            std::string slot, local, remote, state;

            words >> slot >> local >> remote >> state;
            if (local.ends_with(wanted_port) && state == wanted_state)
                return true;
        }
    }
    return false;
}

Result run(const std::vector<std::string> &arguments, const NetNs *where)
{
    Process process(arguments, where);
    const int status = process.wait();

    return {.status = status, .out = process.out(), .err = process.err()};
}

std::string run_checked(const std::vector<std::string> &arguments, const NetNs *where)
{
    Result result = run(arguments, where);

    if (result.status != 0)
        throw Error(fmt::format("{}: exit status {}\n{}{}", fmt::join(arguments, " "),
                                result.status, result.out, result.err));
    return std::move(result.out);
}

} // namespace bmc::test
