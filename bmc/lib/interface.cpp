// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/interface.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <ifaddrs.h>
#include <memory>
#include <net/if.h>
#include <net/if_arp.h>
#include <sstream>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "bmc/lib/fd.h"

namespace bmc
{

namespace
{

/// Drivers of virtual machines' interfaces, through which a neighbour's frame
/// comes with the checksum still to be done.
constexpr std::array<std::string_view, 3> paravirtual_drivers = {"virtio_net", "vif", "hv_netvsc"};

ifreq request_for(const std::string &name)
{
    ifreq request = {};

    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    return request;
}

/// Whether the device strips VLAN tags in hardware, as far as it says.
bool strips_tags(int socket, const std::string &name)
{
    ethtool_value flags = {};
    ifreq request = request_for(name);

    flags.cmd = ETHTOOL_GFLAGS;
    request.ifr_data = reinterpret_cast<char *>(&flags);
    return ioctl(socket, SIOCETHTOOL, &request) == 0 && (flags.data & ETH_FLAG_RXVLAN) != 0;
}

/// What ethtool(8) shows of the interface's driver; empty if there is none.
ethtool_drvinfo driver_info(int socket, const std::string &name)
{
    ethtool_drvinfo info = {};
    ifreq request = request_for(name);

    info.cmd = ETHTOOL_GDRVINFO;
    request.ifr_data = reinterpret_cast<char *>(&info);
    if (ioctl(socket, SIOCETHTOOL, &request) != 0)
        return {};
    return info;
}

/// Whether the interface has no device behind it, or a paravirtual one.
bool takes_partial_checksums(const ethtool_drvinfo &info)
{
    return info.bus_info[0] == '\0' ||
           std::find(paravirtual_drivers.begin(), paravirtual_drivers.end(),
                     std::string_view(info.driver)) != paravirtual_drivers.end();
}

using AddressList = std::unique_ptr<ifaddrs, decltype(&freeifaddrs)>;

/// The addresses of all interfaces of the current network namespace.
Result<AddressList> list_addresses()
{
    ifaddrs *list = nullptr;

    if (getifaddrs(&list) != 0)
        return Error{"list the addresses of the interfaces", "", errno, {}, {}};
    return AddressList(list, freeifaddrs);
}

/// Of an address of another family, only the family.
Address address_of(const sockaddr &from)
{
    Address address;

    address.family = from.sa_family;
    if (address.family == AF_INET)
        address.v4 = reinterpret_cast<const sockaddr_in &>(from).sin_addr;
    else if (address.family == AF_INET6)
        address.v6 = reinterpret_cast<const sockaddr_in6 &>(from).sin6_addr;
    return address;
}

} // namespace

Status check_interface_name(std::string_view name)
{
    /* As Linux, net/core/dev.c: dev_valid_name(). */
    if (name.empty() || name.size() >= IF_NAMESIZE ||
        name.find_first_of(std::string_view("/: \t\n\v\f\r\0", 9)) != std::string_view::npos)
        return Error{"use the interface",
                     fmt::format("'{}'", name),
                     ENODEV,
                     "`ip link` lists the interfaces",
                     {}};
    return Done{};
}

Result<Interface> find_interface(const std::string &name)
{
    const auto failed = [&name](int code, std::string hint) {
        return Error{"use the interface", fmt::format("'{}'", name), code, std::move(hint), {}};
    };
    BMC_TRY(check_interface_name(name));
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    Interface found;

    if (!socket)
        return failed(errno, "no socket could be made");

    ifreq request = request_for(name);
    if (ioctl(socket.get(), SIOCGIFINDEX, &request) != 0)
        return failed(errno, "`ip link` lists the interfaces of this network namespace");
    found.name = name;
    found.index = static_cast<uint32_t>(request.ifr_ifindex);

    if (ioctl(socket.get(), SIOCGIFMTU, &request) != 0)
        return failed(errno, "its MTU could not be read");
    found.mtu = static_cast<uint32_t>(request.ifr_mtu);

    if (ioctl(socket.get(), SIOCGIFHWADDR, &request) != 0)
        return failed(errno, "its hardware address could not be read");
    if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
        request.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
        return failed(0, "it does not carry Ethernet frames; name one that does");
    std::memcpy(found.mac.byte, request.ifr_hwaddr.sa_data, sizeof found.mac.byte);

    if (ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0)
        return failed(errno, "its flags could not be read");
    found.up = (request.ifr_flags & IFF_UP) != 0;
    found.carrier = (request.ifr_flags & IFF_RUNNING) != 0;

    const ethtool_drvinfo driver = driver_info(socket.get(), name);
    found.driver = driver.driver;
    found.partial_checksums = takes_partial_checksums(driver);
    found.strips_vlan_tags = strips_tags(socket.get(), name);
    return found;
}

Result<std::vector<Address>> interface_addresses(const std::vector<std::string> &names)
{
    const auto list = list_addresses();
    if (!list)
        return list.error();
    std::vector<Address> found;

    for (const ifaddrs *entry = list->get(); entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr ||
            std::find(names.begin(), names.end(), entry->ifa_name) == names.end())
            continue;

        const Address address = address_of(*entry->ifa_addr);
        if (is_unicast(address) && std::find(found.begin(), found.end(), address) == found.end())
            found.push_back(address);
    }
    return found;
}

Result<bool> is_local(const Address &address)
{
    const auto list = list_addresses();
    if (!list)
        return list.error();

    for (const ifaddrs *entry = list->get(); entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr)
            continue;
        const Address own = address_of(*entry->ifa_addr);
        if (own == address)
            return true;
        /* The kernel takes all of 127.0.0.0/8 for its own, and any other such subnet. */
        if (own.family == AF_INET && address.family == AF_INET && entry->ifa_netmask != nullptr &&
            (entry->ifa_flags & IFF_LOOPBACK) != 0) {
            const uint32_t mask =
                reinterpret_cast<const sockaddr_in *>(entry->ifa_netmask)->sin_addr.s_addr;
            if (((own.v4.s_addr ^ address.v4.s_addr) & mask) == 0)
                return true;
        }
    }
    return false;
}

uint32_t scope_of(const Address &address)
{
    const auto list = list_addresses();

    if (address.family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(&address.v6) || !list)
        return 0;
    for (const ifaddrs *entry = list->get(); entry != nullptr; entry = entry->ifa_next)
        if (entry->ifa_addr != nullptr && address_of(*entry->ifa_addr) == address)
            return reinterpret_cast<const sockaddr_in6 *>(entry->ifa_addr)->sin6_scope_id;
    return 0;
}

Result<std::vector<uint32_t>> broadcast_addresses()
{
    const auto list = list_addresses();
    if (!list)
        return list.error();
    std::vector<uint32_t> found;

    for (const ifaddrs *entry = list->get(); entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr || entry->ifa_netmask == nullptr ||
            entry->ifa_addr->sa_family != AF_INET)
            continue;
        /* By the mask: the kernel refuses this one even where `brd` is not set. */
        const uint32_t address =
            reinterpret_cast<const sockaddr_in *>(entry->ifa_addr)->sin_addr.s_addr;
        const uint32_t mask =
            reinterpret_cast<const sockaddr_in *>(entry->ifa_netmask)->sin_addr.s_addr;
        const uint32_t host_bits = ~ntohl(mask);
        if (host_bits > 1) /* RFC 3021: /31 and /32 have none */
            found.push_back(address | ~mask);
    }
    return found;
}

std::vector<VlanDevice> parse_vlan_config(std::istream &text)
{
    std::vector<VlanDevice> found;
    std::string line;

    /* Two lines of heading, then "name   | id | parent". */
    while (std::getline(text, line)) {
        std::istringstream fields(line);
        VlanDevice device;
        std::string bar;

        if (fields >> device.name >> bar && bar == "|" && fields >> device.id >> bar &&
            bar == "|" && fields >> device.parent)
            found.push_back(std::move(device));
    }
    return found;
}

std::vector<VlanDevice> vlan_devices()
{
    /* Of the network namespace of this thread, wherever /proc was mounted. */
    std::ifstream file("/proc/thread-self/net/vlan/config");

    return parse_vlan_config(file);
}

Result<uint64_t> network_namespace()
{
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;

    if (!socket || getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
        return Error{
            "identify the network namespace", "", errno, "bmc needs Linux 5.18 or newer", {}};
    return cookie;
}

} // namespace bmc
