// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/access.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <string_view>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "bmc/abi/access.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/maps.h"

namespace bmc
{

namespace
{

constexpr std::array<std::string_view, 9> private_prefixes = {
    "10.0.0.0/8",  "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
    "127.0.0.0/8", "fc00::/7",      "fe80::/10",      "::1",
};

/// Whether the prefixes have all addresses of a family between them. (Up to what a
/// double tells: there may be a hole of one in 2^53.)
bool cover_family(const std::vector<Prefix> &prefixes, int family)
{
    double share = 0;

    for (const Prefix &prefix : prefixes) {
        const bool is_part =
            std::any_of(prefixes.begin(), prefixes.end(), [&prefix](const Prefix &other) {
                return other.length < prefix.length && other.contains(prefix.address);
            });
        if (prefix.address.family == family && !is_part)
            share += std::ldexp(1, -static_cast<int>(prefix.length));
    }
    return share >= 1;
}

bmc_prefix key_of(const Prefix &prefix)
{
    bmc_prefix key = {};

    key.length = BMC_PREFIX_FAMILY + prefix.length;
    if (prefix.address.family == AF_INET) {
        key.family = BMC_FAMILY_IPV4;
        key.address.word[0] = prefix.address.v4.s_addr;
    } else {
        key.family = BMC_FAMILY_IPV6;
        std::memcpy(&key.address, &prefix.address.v6, sizeof key.address);
    }
    return key;
}

Prefix prefix_of(const bmc_prefix &key)
{
    Prefix prefix;

    prefix.length = key.length - BMC_PREFIX_FAMILY;
    if (key.family == BMC_FAMILY_IPV4) {
        prefix.address.family = AF_INET;
        prefix.address.v4.s_addr = key.address.word[0];
    } else {
        prefix.address.family = AF_INET6;
        std::memcpy(&prefix.address.v6, &key.address, sizeof key.address);
    }
    return prefix;
}

} // namespace

Status check_min_budget(uint64_t budget)
{
    if (budget < BMC_BUDGET_MIN)
        return Error{"use the budget",
                     format_size(budget),
                     0,
                     fmt::format("give at least {} a second, which any reply fits",
                                 format_size(BMC_BUDGET_MIN)),
                     {}};
    return Done{};
}

bool is_private(const Address &address)
{
    return std::any_of(
        private_prefixes.begin(), private_prefixes.end(),
        [&address](std::string_view text) { return parse_prefix(text)->contains(address); });
}

std::optional<Exposure> exposure(const std::vector<Address> &addresses, const Access &access)
{
    const auto exposed =
        std::find_if(addresses.begin(), addresses.end(), [&access](const Address &address) {
            return !is_private(address) &&
                   (access.allow.empty() || cover_family(access.allow, address.family));
        });

    if (exposed == addresses.end())
        return std::nullopt;
    return Exposure{fmt::format("{} is not a private address, and memcached over UDP sends large "
                                "replies to whatever source a small request claims",
                                exposed->text()),
                    "name the networks of your clients with --allow, and keep others from "
                    "memcached with a packet filter"};
}

Status fill_allow(int map, const std::vector<Prefix> &prefixes)
{
    const __u8 present = 1;

    for (const Prefix &prefix : prefixes) {
        const bmc_prefix key = key_of(prefix);
        if (bpf_map_update_elem(map, &key, &present, BPF_ANY) != 0)
            return Error{"allow the source", prefix.text(), errno, {}, {}};
    }
    return Done{};
}

Result<std::vector<Prefix>> read_allow(const std::string &folder)
{
    const std::string path = programs_folder(folder) + "/" + pin_allow;
    std::vector<Prefix> prefixes;
    const auto map = open_map(path, BPF_MAP_TYPE_LPM_TRIE, sizeof(__u8));

    if (!map && map.error().code == ENOENT)
        return prefixes;
    if (!map)
        return map.error();
    bmc_prefix key = {};
    const bmc_prefix *before = nullptr;
    while (bpf_map_get_next_key(map->get(), before, &key) == 0) {
        prefixes.push_back(prefix_of(key));
        before = &key;
    }
    if (errno != ENOENT)
        return Error{"read the map", path, errno, {}, {}};
    return prefixes;
}

} // namespace bmc
