// SPDX-License-Identifier: BSD-3-Clause
//
// Lists qdiscs and filters by rtnetlink dumps (rtnetlink(7)): libbpf adds and
// removes TC filters but cannot say what else is there.
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <string_view>
#include <sys/socket.h>

#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "bmc/lib/tc.h"

namespace bmc
{

namespace
{

/// The kernel fills dump replies up to 32 KiB (NLMSG_GOODSIZE and beyond).
constexpr size_t receive_size = 32768;

Error dump_error(int code)
{
    return {"list TC qdiscs and filters", "", code, "the kernel refused a netlink request", {}};
}

/// Sends one dump request and hands every message of the reply to `visit`.
Status dump(uint16_t type, const tcmsg &filter, const std::function<void(const nlmsghdr &)> &visit)
{
    struct {
        nlmsghdr header;
        tcmsg message;
    } request = {};
    const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));

    if (!socket)
        return dump_error(errno);
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = type;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.header.nlmsg_seq = 1;
    request.message = filter;
    if (send(socket.get(), &request, sizeof request, 0) != sizeof request)
        return dump_error(errno);

    alignas(nlmsghdr) std::array<char, receive_size> buffer;
    for (;;) {
        const ssize_t size = recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return dump_error(size < 0 ? errno : EPIPE);

        auto left = static_cast<size_t>(size);
        for (auto *header = reinterpret_cast<nlmsghdr *>(buffer.data()); NLMSG_OK(header, left);
             header = NLMSG_NEXT(header, left)) {
            if (header->nlmsg_type == NLMSG_DONE)
                return Done{};
            if (header->nlmsg_type == NLMSG_ERROR)
                return dump_error(-static_cast<const nlmsgerr *>(NLMSG_DATA(header))->error);
            visit(*header);
        }
    }
}

const tcmsg &message_of(const nlmsghdr &header)
{
    return *reinterpret_cast<const tcmsg *>(reinterpret_cast<const char *>(&header) + NLMSG_HDRLEN);
}

/// The value of TCA_KIND: "clsact", "fq_codel".
std::string_view kind_of(const nlmsghdr &header)
{
    const char *const start = reinterpret_cast<const char *>(&header);
    auto left = static_cast<int>(header.nlmsg_len - NLMSG_SPACE(sizeof(tcmsg)));

    for (auto *attribute = reinterpret_cast<const rtattr *>(start + NLMSG_SPACE(sizeof(tcmsg)));
         RTA_OK(attribute, left);) {
        if (attribute->rta_type == TCA_KIND) {
            const char *const text = reinterpret_cast<const char *>(attribute) + RTA_LENGTH(0);
            return {text, strnlen(text, attribute->rta_len - RTA_LENGTH(0))};
        }
        const int step = RTA_ALIGN(attribute->rta_len);
        left -= step;
        attribute =
            reinterpret_cast<const rtattr *>(reinterpret_cast<const char *>(attribute) + step);
    }
    return {};
}

Result<bool> has_qdisc(uint32_t ifindex, std::string_view kind)
{
    tcmsg filter = {};
    bool found = false;

    filter.tcm_family = AF_UNSPEC;
    const Status done = dump(RTM_GETQDISC, filter, [&](const nlmsghdr &header) {
        if (header.nlmsg_type == RTM_NEWQDISC &&
            message_of(header).tcm_ifindex == static_cast<int>(ifindex) && kind_of(header) == kind)
            found = true;
    });
    if (!done)
        return done.error();
    return found;
}

} // namespace

Result<bool> has_clsact(uint32_t ifindex)
{
    return has_qdisc(ifindex, "clsact");
}

Result<bool> has_ingress_qdisc(uint32_t ifindex)
{
    return has_qdisc(ifindex, "ingress");
}

Result<std::vector<TcFilter>> list_filters(uint32_t ifindex, TcDirection direction)
{
    tcmsg filter = {};
    std::vector<TcFilter> found;

    filter.tcm_family = AF_UNSPEC;
    filter.tcm_ifindex = static_cast<int>(ifindex);
    filter.tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction == TcDirection::ingress ? TC_H_MIN_INGRESS
                                                                                 : TC_H_MIN_EGRESS);
    const Status done = dump(RTM_GETTFILTER, filter, [&](const nlmsghdr &header) {
        if (header.nlmsg_type == RTM_NEWTFILTER) {
            const tcmsg &message = message_of(header);
            found.push_back({message.tcm_handle, TC_H_MAJ(message.tcm_info) >> 16});
        }
    });
    if (!done)
        return done.error();
    return found;
}

} // namespace bmc
