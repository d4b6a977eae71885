// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_PARSE_H
#define BMC_LIB_PARSE_H

#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "bmc/lib/result.h"

namespace bmc
{

/// Reads a number of bytes: decimal digits, optionally followed by K, M, G or T
/// (either case) for powers of 1024. No sign, space or fraction.
Result<uint64_t> parse_size(std::string_view text);

/// Writes a number of bytes with the largest suffix that divides it exactly, as
/// parse_size() reads it.
std::string format_size(uint64_t bytes);

/// Reads a UDP port, 1 to 65535, into host byte order.
Result<uint16_t> parse_port(std::string_view text);

/// An IPv4 or IPv6 address.
struct Address {
    int family = AF_UNSPEC; ///< AF_INET or AF_INET6
    in_addr v4 = {};
    in6_addr v6 = {};

    std::string text() const;
    bool operator==(const Address &other) const;
};

/// Reads a numeric unicast address of either family. Names, zones ("%eth0"),
/// prefix lengths, unspecified and multicast addresses are refused.
Result<Address> parse_address(std::string_view text);

/// Whether a packet to this address can be for a host: not unspecified, not
/// multicast, not broadcast.
bool is_unicast(const Address &address);

/// The addresses that begin with the same bits.
struct Prefix {
    Address address;     ///< the first of them
    unsigned length = 0; ///< how many bits they have in common

    bool contains(const Address &other) const;
    /// "10.0.0.0/8"; of a single address, only that.
    std::string text() const;
    bool operator==(const Prefix &other) const = default;
};

/// Reads ADDRESS/LENGTH, numeric and of either family, or a single address. Refused
/// is one with bits behind its length, and IPv4 in the clothes of IPv6.
Result<Prefix> parse_prefix(std::string_view text);

/// Where a server listens, both numeric.
struct ListenAddress {
    std::string host; ///< IPv4 or IPv6, without brackets
    uint16_t port = 0;

    /// "127.0.0.1:9250", "[::1]:9250"
    std::string text() const;
};

/// Reads [ADDRESS:]PORT; the address is that of the loopback interface if none is
/// given, and in brackets if it is IPv6. It may be unspecified: then it stands for
/// all of the host's.
Result<ListenAddress> parse_listen_address(std::string_view text);

/// A group of users.
struct Group {
    std::string name;
    gid_t id = 0;
};

/// Looks a group up by its name.
Result<Group> find_group(const std::string &name);

/// Checks the name of an instance: 1 to 64 of the characters A-Z a-z 0-9 _ -.
/// (bpffs reserves the dot, and a name must not look like a path.)
Status check_instance_name(std::string_view name);

} // namespace bmc

#endif
