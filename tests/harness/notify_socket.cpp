// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/notify_socket.h"

#include <cstddef>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/harness/error.h"

namespace bmc::test
{

NotifySocket::NotifySocket(const std::string &name)
    : name_(name), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
{
    sockaddr_un address = {};

    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    if (name.front() == '@')
        address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    if (!socket_ || bind(socket_.get(), reinterpret_cast<const sockaddr *>(&address), size) != 0)
        throw system_error("bind " + name);
}

NotifySocket::~NotifySocket()
{
    if (name_.front() == '/')
        unlink(name_.c_str());
}

std::string NotifySocket::next() const
{
    char text[256];
    const ssize_t size = recv(socket_.get(), text, sizeof text, MSG_DONTWAIT);

    return {text, size < 0 ? 0 : static_cast<size_t>(size)};
}

} // namespace bmc::test
