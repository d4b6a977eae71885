// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_PATHS_H
#define BMC_TESTS_HARNESS_PATHS_H

#include <string>

namespace bmc::test
{

/// An executable of this build, such as "bmc" or "memcached-sr".
std::string program_path(const std::string &name);

/// A file of the source tree, such as "tools/lab".
std::string source_path(const std::string &name);

} // namespace bmc::test

#endif
