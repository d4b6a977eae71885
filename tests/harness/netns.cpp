// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/netns.h"

#include <cstdlib>
#include <fcntl.h>
#include <sched.h>

#include "tests/harness/error.h"

namespace bmc::test
{

NetNs::NetNs(const std::string &name)
    : name_(name), fd_(::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC))
{
    if (!fd_)
        throw system_error("open network namespace " + name);
}

namespace
{

class Inside
{
  public:
    explicit Inside(int target) : home_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))
    {
        if (!home_)
            throw system_error("open /proc/thread-self/ns/net");
        if (::setns(target, CLONE_NEWNET) != 0)
            throw system_error("setns");
    }
    Inside(const Inside &) = delete;
    Inside &operator=(const Inside &) = delete;
    ~Inside()
    {
        // A thread that stays in the wrong namespace would test something else.
        if (::setns(home_.get(), CLONE_NEWNET) != 0)
            std::abort();
    }

  private:
    Fd home_;
};

} // namespace

void NetNs::enter(const std::function<void()> &work) const
{
    const Inside inside(fd_.get());

    work();
}

} // namespace bmc::test
