// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/netlink.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>

namespace trafficgen
{

namespace
{

/// The kernel fills answers up to 32 KiB.
constexpr size_t receive_size = 32768;

Error exchange_error(int code)
{
    return system_error("ask the kernel", "by netlink", code);
}

// The header in front of the bytes. Copied: they need not be aligned.
template <class T>
std::optional<T> header_of(std::span<const char> bytes)
{
    T header;

    if (bytes.size() < sizeof header)
        return std::nullopt;
    std::memcpy(&header, bytes.data(), sizeof header);
    return header;
}

/// Hands on the messages of one datagram. True after the last of all.
Result<bool> take(std::span<const char> left,
                  const std::function<void(std::span<const char>)> &visit)
{
    while (const auto header = header_of<nlmsghdr>(left)) {
        if (header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > left.size())
            return exchange_error(EBADMSG);
        const auto body = left.subspan(NLMSG_HDRLEN, header->nlmsg_len - NLMSG_HDRLEN);
        if (header->nlmsg_type == NLMSG_DONE)
            return true;
        if (header->nlmsg_type == NLMSG_ERROR) {
            const auto code = header_of<int>(body);
            if (!code || *code != 0)
                return exchange_error(code ? -*code : EBADMSG);
            return true;
        }
        visit(body);
        left = left.subspan(std::min<size_t>(NLMSG_ALIGN(header->nlmsg_len), left.size()));
    }
    return false;
}

} // namespace

NetlinkRequest::NetlinkRequest(uint16_t type, uint16_t flags, std::span<const char> body)
{
    nlmsghdr header = {};

    header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(body.size()));
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    header.nlmsg_seq = 1;
    const auto front = bytes_of(header);
    bytes_.assign(front.begin(), front.end());
    bytes_.insert(bytes_.end(), body.begin(), body.end());
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
}

void NetlinkRequest::add(uint16_t type, std::span<const char> value)
{
    nlattr attribute = {};

    attribute.nla_type = type;
    attribute.nla_len = static_cast<uint16_t>(NLA_HDRLEN + value.size());
    const auto front = bytes_of(attribute);
    bytes_.insert(bytes_.end(), front.begin(), front.end());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    const auto length = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &length, sizeof length);
}

Status exchange(int protocol, const NetlinkRequest &request,
                const std::function<void(std::span<const char>)> &visit)
{
    const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    const auto bytes = request.bytes();

    if (!socket ||
        ::send(socket.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        return exchange_error(errno);
    for (std::vector<char> buffer(receive_size);;) {
        const ssize_t size = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return exchange_error(size < 0 ? errno : EPIPE);
        const auto last = take({buffer.data(), static_cast<size_t>(size)}, visit);
        if (!last)
            return last.error();
        if (*last)
            return Done{};
    }
}

std::optional<std::span<const char>> find_attribute(std::span<const char> attributes, uint16_t type)
{
    while (const auto header = header_of<nlattr>(attributes)) {
        if (header->nla_len < NLA_HDRLEN || header->nla_len > attributes.size())
            break;
        if ((header->nla_type & NLA_TYPE_MASK) == type)
            return attributes.subspan(NLA_HDRLEN, header->nla_len - NLA_HDRLEN);
        attributes =
            attributes.subspan(std::min<size_t>(NLA_ALIGN(header->nla_len), attributes.size()));
    }
    return std::nullopt;
}

std::optional<uint32_t> find_u32(std::span<const char> attributes, uint16_t type)
{
    const auto value = find_attribute(attributes, type);

    return value ? header_of<uint32_t>(*value) : std::nullopt;
}

} // namespace trafficgen
