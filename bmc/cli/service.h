// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_SERVICE_H
#define BMC_CLI_SERVICE_H

#include <string_view>

namespace bmc::cli
{

/// Tells the service manager that started this process what state it is in
/// ("READY=1", "STOPPING=1"), by the protocol of sd_notify(3). Does nothing
/// without one, or if it does not listen.
void notify_service(std::string_view state);

} // namespace bmc::cli

#endif
