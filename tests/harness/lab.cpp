// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/lab.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tests/harness/error.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"

namespace bmc::test
{

namespace
{

std::string unique_name()
{
    static unsigned count = 0;

    return fmt::format("test-{}-{}", ::getpid(), ++count);
}

} // namespace

Lab::Guard::Guard(const std::string &name)
{
    std::array<int, 2> ends{};
    const std::string tool = source_path("tools/lab");
    const char *script = "cat >/dev/null; exec \"$0\" down --name \"$1\"";

    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        throw system_error("pipe");
    const Fd input(ends[0]);
    lifeline_ = Fd(ends[1]);
    pid_ = ::fork();
    if (pid_ < 0)
        throw system_error("fork");
    if (pid_ == 0) {
        // Out of the terminal's foreground group: an interrupt must not end it.
        if (::setsid() >= 0 && ::dup2(input.get(), STDIN_FILENO) >= 0)
            ::execl("/bin/sh", "sh", "-c", script, tool.c_str(), name.c_str(), nullptr);
        ::_exit(127);
    }
}

Lab::Guard::~Guard()
{
    lifeline_.close();
    ::waitpid(pid_, nullptr, 0);
}

Lab::Lab() : name_(unique_name()), guard_(name_)
{
    run_checked({source_path("tools/lab"), "up", "--name", name_});
    server_.emplace("lab-" + name_ + "-server");
    client_.emplace("lab-" + name_ + "-client");
    server_mac_ = interface_mac(*server_, interface);
    client_mac_ = interface_mac(*client_, interface);
}

// The guard does the work.
Lab::~Lab() = default;

Mac interface_mac(const NetNs &where, const std::string &interface)
{
    ifreq request{};
    Mac mac{};

    interface.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
    where.enter([&] {
        const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (!fd || ::ioctl(fd.get(), SIOCGIFHWADDR, &request) != 0)
            throw system_error("Ethernet address of " + interface);
    });
    std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
    return mac;
}

} // namespace bmc::test
