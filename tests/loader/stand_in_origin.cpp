// SPDX-License-Identifier: BSD-3-Clause
#include "tests/loader/stand_in_origin.h"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bmc/abi/layout.h"
#include "bmc/lib/fd.h"
#include "bmc/lib/maps.h"
#include "tests/harness/error.h"

namespace bmc::test
{

namespace
{

/// In the child: the lock, and then what an origin writes.
bool take_over(const std::string &folder, int folder_fd)
{
    const std::string path = folder + "/" BMC_PIN_CONTROL;
    const auto map = open_map(path, BPF_MAP_TYPE_ARRAY, sizeof(bmc_control));
    bmc_control control = {};

    if (flock(folder_fd, LOCK_EX | LOCK_NB) != 0 || !map || !read_first(*map, path, &control))
        return false;
    control.generation += control.generation % 2 + 1; /* to odd, and to even below */
    control.generation++;
    control.origin_pid = static_cast<__u32>(getpid());
    return static_cast<bool>(write_first(map->get(), path, &control));
}

} // namespace

StandInOrigin::StandInOrigin(const std::string &folder, Pids pids)
{
    std::array<int, 2> ready = {};
    clone_args arguments = {};

    if (pipe2(ready.data(), O_CLOEXEC) != 0)
        throw system_error("pipe");
    Fd from(ready[0]);
    Fd to(ready[1]);

    arguments.exit_signal = SIGCHLD;
    if (pids == Pids::own_namespace)
        arguments.flags = CLONE_NEWPID;
    pid_ = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid_ < 0)
        throw system_error("clone3");
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* Only here: the lock ends with this process. */
        const Fd lock(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!take_over(folder, lock.get()) || write(to.get(), "", 1) != 1)
            _exit(EXIT_FAILURE);
        for (;;)
            pause();
    }
    to = Fd();
    char byte = 0;
    if (read(from.get(), &byte, 1) != 1) {
        kill();
        throw Error("a stand-in for memcached-sr could not take over " + folder);
    }
}

StandInOrigin::~StandInOrigin()
{
    kill();
}

void StandInOrigin::kill()
{
    if (pid_ <= 0)
        return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

} // namespace bmc::test
