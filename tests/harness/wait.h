// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HARNESS_WAIT_H
#define BMC_TESTS_HARNESS_WAIT_H

#include <chrono>
#include <functional>
#include <string>

namespace bmc::test
{

/// Polls until `condition` holds. Throws Error naming `what` when it has not
/// come true within `limit`: the limit is generous and only there so that a
/// broken program ends the test.
void wait_until(const std::string &what, const std::function<bool()> &condition,
                std::chrono::milliseconds limit = std::chrono::seconds(20));

} // namespace bmc::test

#endif
