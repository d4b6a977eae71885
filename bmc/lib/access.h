// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_ACCESS_H
#define BMC_LIB_ACCESS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bmc/lib/parse.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Who is answered by the kernel, and how much.
struct Access {
    std::vector<Prefix> allow; ///< of sources; empty: all
    uint64_t budget = 0;       ///< bytes of IP packets per second and source; 0: no limit
};

/// Name of the map with the allowed prefixes, pinned if there are any.
constexpr const char *pin_allow = "allow";

/// Checks a budget against the least that there can be.
Status check_min_budget(uint64_t budget);

/// Whether packets from other networks do not get to this address: private (RFC 1918,
/// RFC 4193), shared (RFC 6598), link-local or loopback.
bool is_private(const Address &address);

/// Why memcached at an address may serve to attack others, and what to do.
struct Exposure {
    std::string message;
    std::string advice;

    /// Both in one line.
    std::string line() const { return message + ": " + advice; }
};

/// The exposure of these addresses, if one of them is not private and the kernel
/// answers every source of its family.
std::optional<Exposure> exposure(const std::vector<Address> &addresses, const Access &access);

/// Puts prefixes into the map of those allowed.
Status fill_allow(int map, const std::vector<Prefix> &prefixes);

/// The prefixes allowed of an instance, by its folder; none if all are.
Result<std::vector<Prefix>> read_allow(const std::string &folder);

} // namespace bmc

#endif
