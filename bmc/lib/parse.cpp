// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/parse.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstring>
#include <grp.h>
#include <limits>
#include <optional>

#include <fmt/format.h>

namespace bmc
{

namespace
{

constexpr size_t max_instance_name = 64;
constexpr std::string_view size_suffixes = "KMGT";

Error bad_size(std::string_view text, const char *why)
{
    return {"use the size", fmt::format("'{}'", text), 0, why, {}};
}

/// Reads decimal digits up to the end of the text, and nothing else.
template <class T>
std::optional<T> parse_digits(std::string_view text)
{
    T value = 0;
    const char *const end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data(), end, value);

    if (text.empty() || failure != std::errc() || stop != end)
        return std::nullopt;
    return value;
}

/// A numeric address of either family, whatever it is good for.
std::optional<Address> read_numeric(std::string_view text)
{
    const std::string copy(text);
    Address address;

    if (inet_pton(AF_INET, copy.c_str(), &address.v4) == 1)
        address.family = AF_INET;
    else if (inet_pton(AF_INET6, copy.c_str(), &address.v6) == 1)
        address.family = AF_INET6;
    else
        return std::nullopt;
    return address;
}

unsigned bits_of(const Address &address)
{
    return address.family == AF_INET ? 32 : 128;
}

/// The address with all bits behind the first `length` taken out.
Address first_of(Address address, unsigned length)
{
    uint8_t *const bytes = address.family == AF_INET ? reinterpret_cast<uint8_t *>(&address.v4)
                                                     : reinterpret_cast<uint8_t *>(&address.v6);

    for (unsigned bit = length; bit < bits_of(address); bit++)
        bytes[bit / 8] &= static_cast<uint8_t>(~(0x80U >> bit % 8));
    return address;
}

} // namespace

Result<uint64_t> parse_size(std::string_view text)
{
    std::string_view digits = text;
    unsigned shift = 0;

    if (!digits.empty()) {
        const char last = digits.back();
        const size_t place = size_suffixes.find(
            last >= 'a' && last <= 'z' ? static_cast<char>(last - 'a' + 'A') : last);
        if (place != std::string_view::npos) {
            shift = 10 * static_cast<unsigned>(place + 1);
            digits.remove_suffix(1);
        }
    }
    if (digits.empty() ||
        !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return bad_size(text, "give bytes, or a number with K, M or G, as in 256M");

    const auto value = parse_digits<uint64_t>(digits);
    if (!value || *value > std::numeric_limits<uint64_t>::max() >> shift)
        return bad_size(text, "it is more than 64 bits can hold");
    return *value << shift;
}

std::string format_size(uint64_t bytes)
{
    for (size_t place = size_suffixes.size(); place > 0; place--) {
        const unsigned shift = 10 * static_cast<unsigned>(place);
        if (bytes != 0 && bytes % (uint64_t{1} << shift) == 0)
            return fmt::format("{}{}", bytes >> shift, size_suffixes[place - 1]);
    }
    return fmt::format("{}", bytes);
}

Result<uint16_t> parse_port(std::string_view text)
{
    const auto value = parse_digits<uint16_t>(text);

    if (!value || *value == 0)
        return Error{"use the port", fmt::format("'{}'", text), 0, "ports are 1 to 65535", {}};
    return *value;
}

std::string Address::text() const
{
    std::array<char, INET6_ADDRSTRLEN> buffer = {};
    const void *const source =
        family == AF_INET ? static_cast<const void *>(&v4) : static_cast<const void *>(&v6);

    if (inet_ntop(family, source, buffer.data(), buffer.size()) == nullptr)
        return "?";
    return buffer.data();
}

bool Address::operator==(const Address &other) const
{
    if (family != other.family)
        return false;
    if (family == AF_INET)
        return v4.s_addr == other.v4.s_addr;
    return std::memcmp(&v6, &other.v6, sizeof v6) == 0;
}

bool is_unicast(const Address &address)
{
    if (address.family == AF_INET) {
        const uint32_t host = ntohl(address.v4.s_addr);
        return host >> 24 != 0 && host < 0xe0000000; /* 0/8; 224/4 and 240/4 with broadcast */
    }
    return address.family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&address.v6) &&
           !IN6_IS_ADDR_MULTICAST(&address.v6) && !IN6_IS_ADDR_V4MAPPED(&address.v6);
}

Result<Address> parse_address(std::string_view text)
{
    const std::string object = fmt::format("'{}'", text);
    const auto address = read_numeric(text);

    if (!address)
        return Error{"use the address",
                     object,
                     0,
                     "give a plain IPv4 or IPv6 address, as in 10.0.0.1 or fd00::1",
                     {}};
    if (!is_unicast(*address))
        return Error{"use the address", object, 0, "give a unicast address of this host", {}};
    return *address;
}

bool Prefix::contains(const Address &other) const
{
    return other.family == address.family && first_of(other, length) == address;
}

std::string Prefix::text() const
{
    return length == bits_of(address) ? address.text()
                                      : fmt::format("{}/{}", address.text(), length);
}

Result<Prefix> parse_prefix(std::string_view text)
{
    const auto refused = [text](std::string hint) {
        return Error{"use the prefix", fmt::format("'{}'", text), 0, std::move(hint), {}};
    };
    const size_t slash = text.find('/');
    const auto address = read_numeric(text.substr(0, slash));

    if (!address)
        return refused(
            "give ADDRESS/LENGTH or an address, as in 10.0.0.0/8, fd00::/64 or 10.0.0.1");
    Prefix prefix{*address, bits_of(*address)};
    if (slash != std::string_view::npos) {
        const auto length = parse_digits<unsigned>(text.substr(slash + 1));
        if (!length || *length > prefix.length)
            return refused(fmt::format("its length is 0 to {}", prefix.length));
        prefix.length = *length;
    }
    if (address->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6))
        return refused("give IPv4 addresses as such, as in 10.0.0.0/8");
    prefix.address = first_of(*address, prefix.length);
    if (prefix.address != *address)
        return refused(
            fmt::format("it has bits behind its length; the prefix is {}", prefix.text()));
    return prefix;
}

std::string ListenAddress::text() const
{
    const bool ipv6 = host.find(':') != std::string::npos;

    return fmt::format(fmt::runtime(ipv6 ? "[{}]:{}" : "{}:{}"), host, port);
}

Result<ListenAddress> parse_listen_address(std::string_view text)
{
    const Error refused{"listen on",
                        fmt::format("'{}'", text),
                        0,
                        "give [ADDRESS:]PORT, as in 9250, 10.0.0.1:9250 or [fd00::1]:9250",
                        {}};
    ListenAddress listen{"127.0.0.1", 0};
    std::string_view port = text;

    if (const size_t colon = text.rfind(':'); colon != std::string_view::npos) {
        std::string_view host = text.substr(0, colon);
        const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
        if (brackets)
            host = host.substr(1, host.size() - 2);
        listen.host = host;
        port = text.substr(colon + 1);
        in6_addr parsed = {};
        if (inet_pton(brackets ? AF_INET6 : AF_INET, listen.host.c_str(), &parsed) != 1)
            return refused;
    }
    const auto number = parse_port(port);
    if (!number)
        return refused;
    listen.port = *number;
    return listen;
}

Result<Group> find_group(const std::string &name)
{
    const group *const found = getgrnam(name.c_str());

    if (found == nullptr)
        return Error{"use the group",
                     fmt::format("'{}'", name),
                     0,
                     "there is none of this name; `getent group` lists them",
                     {}};
    return Group{found->gr_name, found->gr_gid};
}

Status check_instance_name(std::string_view name)
{
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    };

    if (name.empty() || name.size() > max_instance_name ||
        !std::all_of(name.begin(), name.end(), allowed))
        return Error{"use the instance name",
                     fmt::format("'{}'", name),
                     0,
                     fmt::format("give 1 to {} of A-Z a-z 0-9 _ -", max_instance_name),
                     {}};
    return Done{};
}

} // namespace bmc
