// SPDX-License-Identifier: BSD-3-Clause
#include "tests/harness/raw_socket.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "tests/harness/error.h"

namespace bmc::test
{

RawSocket::RawSocket(const NetNs &where, const std::string &interface)
{
    where.enter([&] {
        fd_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
        if (!fd_)
            throw system_error("socket AF_PACKET");
        const int on = 1;
        if (::setsockopt(fd_.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) != 0 ||
            ::setsockopt(fd_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0)
            throw system_error("setsockopt SOL_PACKET");
        const int buffer = 8 << 20;
        if (::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0)
            throw system_error("setsockopt SO_RCVBUFFORCE");
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
        if (address.sll_ifindex == 0)
            throw system_error("no interface " + interface);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        if (::bind(fd_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0)
            throw system_error("bind to " + interface);
    });
}

void RawSocket::send(const Bytes &frame) const
{
    if (::send(fd_.get(), frame.data(), frame.size(), 0) != static_cast<ssize_t>(frame.size()))
        throw system_error("send a frame");
}

std::optional<ReceivedFrame> RawSocket::receive(std::chrono::milliseconds limit) const
{
    pollfd ready = {.fd = fd_.get(), .events = POLLIN, .revents = 0};

    if (::poll(&ready, 1, static_cast<int>(std::max<long>(limit.count(), 0))) <= 0)
        return std::nullopt;

    ReceivedFrame frame;
    frame.bytes.resize(65536);
    iovec part = {.iov_base = frame.bytes.data(), .iov_len = frame.bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n = ::recvmsg(fd_.get(), &message, 0);
    if (n < 0)
        throw system_error("receive a frame");
    frame.bytes.resize(static_cast<std::size_t>(n));

    for (cmsghdr *c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        tpacket_auxdata aux{};

        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        std::memcpy(&aux, CMSG_DATA(c), sizeof(aux));
        frame.checksum_left_to_device = (aux.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
        if ((aux.tp_status & TP_STATUS_VLAN_VALID) != 0 && frame.bytes.size() >= 12) {
            const std::uint16_t tpid = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0
                                           ? aux.tp_vlan_tpid
                                           : ethertype_vlan;
            const std::array<std::uint8_t, 4> tag = {
                static_cast<std::uint8_t>(tpid >> 8), static_cast<std::uint8_t>(tpid & 0xff),
                static_cast<std::uint8_t>(aux.tp_vlan_tci >> 8),
                static_cast<std::uint8_t>(aux.tp_vlan_tci & 0xff)};
            frame.bytes.insert(frame.bytes.begin() + 12, tag.begin(), tag.end());
        }
    }
    return frame;
}

std::optional<ReceivedFrame>
RawSocket::receive_udp(const std::function<bool(const Parsed &)> &wanted,
                       std::chrono::milliseconds limit) const
{
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + limit;

    for (;;) {
        auto frame =
            receive(std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()));
        if (!frame)
            return std::nullopt;
        const auto parsed = parse(frame->bytes);
        if (parsed && wanted(*parsed))
            return frame;
    }
}

} // namespace bmc::test
