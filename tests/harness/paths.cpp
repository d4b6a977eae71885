// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/paths.h"

namespace bmc::test
{

std::string program_path(const std::string &name)
{
    return std::string(BMC_PROGRAM_DIR "/") + name;
}

std::string source_path(const std::string &name)
{
    return std::string(BMC_SOURCE_DIR "/") + name;
}

} // namespace bmc::test
