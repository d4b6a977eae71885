// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/error.h"

#include <cerrno>
#include <system_error>

namespace bmc::test
{

Error system_error(const std::string &what)
{
    return Error(what + ": " + std::generic_category().message(errno));
}

} // namespace bmc::test
