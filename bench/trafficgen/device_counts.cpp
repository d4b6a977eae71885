// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/device_counts.h"

#include <cerrno>
#include <cstring>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <memory>
#include <net/if.h>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace trafficgen
{

namespace
{

bool ask(int socket, const std::string &interface, void *command)
{
    ifreq request = {};

    interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
    request.ifr_data = static_cast<char *>(command);
    return ioctl(socket, SIOCETHTOOL, &request) == 0;
}

/// An ethtool command that ends in an array: T followed by so many bytes.
template <class T>
struct Free {
    void operator()(T *memory) const { ::operator delete(memory); }
};
template <class T>
std::unique_ptr<T, Free<T>> make_command(uint32_t command, size_t bytes)
{
    auto *const made = static_cast<T *>(::operator new(sizeof(T) + bytes));

    std::memset(made, 0, sizeof(T) + bytes);
    made->cmd = command;
    return std::unique_ptr<T, Free<T>>(made);
}

} // namespace

Result<std::optional<uint64_t>> refused_packets(const std::string &interface)
{
    constexpr std::string_view prefix = "tx_queue_";
    constexpr std::string_view suffix = "_xdp_xmit_errors";
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ethtool_drvinfo driver = {};

    driver.cmd = ETHTOOL_GDRVINFO;
    if (!socket || !ask(socket.get(), interface, &driver))
        return system_error("read the statistics of", interface, errno);
    if (std::string_view(driver.driver) != "veth")
        return std::optional<uint64_t>();

    auto names =
        make_command<ethtool_gstrings>(ETHTOOL_GSTRINGS, size_t{driver.n_stats} * ETH_GSTRING_LEN);
    auto values = make_command<ethtool_stats>(ETHTOOL_GSTATS, driver.n_stats * sizeof(uint64_t));
    names->string_set = ETH_SS_STATS;
    names->len = driver.n_stats;
    values->n_stats = driver.n_stats;
    if (!ask(socket.get(), interface, names.get()) || !ask(socket.get(), interface, values.get()))
        return system_error("read the statistics of", interface, errno);

    uint64_t sum = 0;
    for (uint32_t i = 0; i < driver.n_stats; i++) {
        const auto *const at =
            reinterpret_cast<const char *>(names->data) + size_t{i} * ETH_GSTRING_LEN;
        const std::string_view name(at, strnlen(at, ETH_GSTRING_LEN));
        if (name.starts_with(prefix) && name.ends_with(suffix))
            sum += values->data[i];
    }
    return std::optional<uint64_t>(sum);
}

} // namespace trafficgen
