// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_NOTIFY_H
#define BMC_CLI_NOTIFY_H

#include <string>

/* What a service manager is told, by sd_notify(3): if NOTIFY_SOCKET names where it
   listens. Without one, or if it does not take it, there is nobody to tell, which is
   no error. A status is one line for people (`systemctl status`). */
namespace bmc::cli
{

void notify_ready(const std::string &status);
void notify_status(const std::string &status);
void notify_stopping();

} // namespace bmc::cli

#endif
