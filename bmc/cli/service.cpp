// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/cli/service.h"

#include <cstddef>
#include <cstdlib>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

#include "bmc/lib/fd.h"

namespace bmc::cli
{

void notify_service(std::string_view state)
{
    const char *const path = std::getenv("NOTIFY_SOCKET");
    const std::string_view name = path == nullptr ? "" : path;
    sockaddr_un to = {};

    if ((!name.starts_with('/') && !name.starts_with('@')) || name.size() >= sizeof to.sun_path)
        return;
    to.sun_family = AF_UNIX;
    name.copy(to.sun_path, name.size());
    if (name.front() == '@')
        to.sun_path[0] = '\0'; /* without a file: unix(7), abstract */

    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    static_cast<void>(sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr *>(&to), size));
}

} // namespace bmc::cli
