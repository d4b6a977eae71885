// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_ERROR_H
#define BMC_TESTS_HARNESS_ERROR_H

#include <stdexcept>
#include <string>

namespace bmc::test
{

/// Thrown by everything in the harness that cannot do its work. A test does not
/// catch it: googletest reports the message as the test's failure, and the
/// owners on the stack clean up.
class Error : public std::runtime_error
{
  public:
    using std::runtime_error::runtime_error;
};

/// An Error for a failed system call: "WHAT: TEXT OF errno".
Error system_error(const std::string &what);

} // namespace bmc::test

#endif
