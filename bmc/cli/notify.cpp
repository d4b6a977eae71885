// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/cli/notify.h"

#include <systemd/sd-daemon.h>

namespace bmc::cli
{

namespace
{

/// Leaves NOTIFY_SOCKET for the next one.
void tell(const std::string &state)
{
    static_cast<void>(sd_notify(0, state.c_str()));
}

} // namespace

void notify_ready(const std::string &status)
{
    tell("READY=1\nSTATUS=" + status);
}

void notify_status(const std::string &status)
{
    tell("STATUS=" + status);
}

void notify_stopping()
{
    tell("STOPPING=1\nSTATUS=");
}

} // namespace bmc::cli
