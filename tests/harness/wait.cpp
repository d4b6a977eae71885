// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/wait.h"

#include <thread>

#include <fmt/format.h>

#include "tests/harness/error.h"

namespace bmc::test
{

void wait_until(const std::string &what, const std::function<bool()> &condition,
                std::chrono::milliseconds limit)
{
    const auto end = std::chrono::steady_clock::now() + limit;

    while (!condition()) {
        if (std::chrono::steady_clock::now() > end)
            throw Error(fmt::format("waited {} ms in vain until {}", limit.count(), what));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

} // namespace bmc::test
