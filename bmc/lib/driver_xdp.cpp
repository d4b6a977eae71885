// SPDX-License-Identifier: BSD-3-Clause
//
// Asks the generic netlink family "netdev" (Linux 6.3 and later,
// Documentation/netlink/specs/netdev.yaml). Its constants are newer than the
// headers of Debian 12.
#include "bmc/lib/driver_xdp.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <sys/socket.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "bmc/lib/fd.h"

namespace bmc
{

namespace
{

constexpr uint8_t netdev_cmd_dev_get = 1;
constexpr uint16_t netdev_a_dev_ifindex = 1;
constexpr uint16_t netdev_a_dev_xdp_features = 3;
constexpr uint64_t netdev_xdp_act_basic = 1U << 0;
constexpr uint64_t netdev_xdp_act_rx_sg = 1U << 5;

constexpr uint8_t family_version = 1;
constexpr size_t receive_size = 8192;

/// A request with one attribute of up to this size.
constexpr size_t max_value = 16;
struct Request {
    nlmsghdr header;
    genlmsghdr command;
    nlattr attribute;
    std::array<char, max_value> value;
};

/// Copies the value of an attribute of the reply; false if it is not there.
template <class T>
bool read_attribute(const char *at, size_t size, uint16_t wanted, T &value)
{
    while (size >= NLA_HDRLEN) {
        nlattr attribute = {};
        std::memcpy(&attribute, at, sizeof attribute);
        if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > size)
            return false;
        if ((attribute.nla_type & NLA_TYPE_MASK) == wanted &&
            attribute.nla_len >= NLA_HDRLEN + sizeof value) {
            std::memcpy(&value, at + NLA_HDRLEN, sizeof value);
            return true;
        }
        const size_t step = NLA_ALIGN(attribute.nla_len);
        if (step >= size)
            return false;
        at += step;
        size -= step;
    }
    return false;
}

/// Sends a command with one attribute and reads one of the reply.
template <class T>
bool ask(const Fd &socket, uint16_t family, uint8_t command, uint16_t attribute,
         std::string_view value, uint16_t wanted, T &answer)
{
    Request request = {};

    request.attribute.nla_type = attribute;
    request.attribute.nla_len = static_cast<uint16_t>(NLA_HDRLEN + value.size());
    value.copy(request.value.data(), request.value.size());
    request.command.cmd = command;
    request.command.version = family_version;
    request.header.nlmsg_type = family;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.header.nlmsg_seq = 1;
    request.header.nlmsg_len =
        static_cast<uint32_t>(NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(request.attribute.nla_len));
    if (send(socket.get(), &request, request.header.nlmsg_len, 0) !=
        static_cast<ssize_t>(request.header.nlmsg_len))
        return false;

    std::array<char, receive_size> reply = {};
    const ssize_t size = recv(socket.get(), reply.data(), reply.size(), 0);
    nlmsghdr header = {};
    constexpr size_t heads = NLMSG_HDRLEN + GENL_HDRLEN;
    if (size < static_cast<ssize_t>(heads))
        return false;
    std::memcpy(&header, reply.data(), sizeof header);
    if (header.nlmsg_type != family || header.nlmsg_len > static_cast<size_t>(size))
        return false; /* an error */
    return read_attribute(reply.data() + heads, header.nlmsg_len - heads, wanted, answer);
}

} // namespace

std::optional<DriverXdp> driver_xdp(uint32_t ifindex)
{
    using namespace std::string_view_literals;
    const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
    uint16_t family = 0;
    uint64_t features = 0;

    if (!socket || !ask(socket, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME,
                        "netdev\0"sv, CTRL_ATTR_FAMILY_ID, family))
        return std::nullopt;
    const std::string_view index(reinterpret_cast<const char *>(&ifindex), sizeof ifindex);
    if (!ask(socket, family, netdev_cmd_dev_get, netdev_a_dev_ifindex, index,
             netdev_a_dev_xdp_features, features))
        return std::nullopt;
    return DriverXdp{(features & netdev_xdp_act_basic) != 0,
                     (features & netdev_xdp_act_rx_sg) != 0};
}

} // namespace bmc
