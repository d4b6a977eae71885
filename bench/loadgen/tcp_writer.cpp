// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/tcp_writer.h"

#include <cerrno>
#include <fmt/format.h>
#include <iterator>
#include <poll.h>
#include <string_view>

namespace loadgen
{

Result<TcpWriter> TcpWriter::connect(const Endpoint &server, int timeout_ms)
{
    auto fd = connect_tcp(server, timeout_ms);
    if (!fd)
        return fd.error();
    return TcpWriter(std::move(*fd), server.text);
}

void TcpWriter::set(const Content &content, uint64_t key, uint32_t version, uint32_t tag)
{
    const uint32_t size = content.value_size(key, version);
    char name[max_key_size];
    content.write_key(key, name);

    fmt::format_to(std::back_inserter(output_), "set {} {} 0 {}\r\n",
                   std::string_view(name, content.key_size()), content.flags(key, version), size);
    const size_t value_at = output_.size();
    output_.resize(value_at + size + 7);
    content.write_value(key, version, output_.data() + value_at);
    output_.resize(value_at + size);
    output_ += "\r\n";
    outstanding_.push_back({key, tag});
}

short TcpWriter::events() const
{
    return static_cast<short>(POLLIN | (sent_ < output_.size() ? POLLOUT : 0));
}

Status TcpWriter::pump(std::vector<Stored> &stored)
{
    if (auto sent = send_some(); !sent)
        return sent;
    return outstanding_.empty() ? Status(Done{}) : receive_some(stored);
}

Status TcpWriter::send_some()
{
    while (sent_ < output_.size()) {
        const ssize_t n =
            send(fd_.get(), output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return Done{};
        if (n < 0)
            return system_error("send SETs to", server_, errno);
        sent_ += static_cast<size_t>(n);
    }
    output_.clear();
    sent_ = 0;
    return Done{};
}

Status TcpWriter::receive_some(std::vector<Stored> &stored)
{
    char buffer[16384];

    for (;;) {
        const ssize_t n = recv(fd_.get(), buffer, sizeof(buffer), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return Done{};
        if (n <= 0)
            return system_error("receive answers to SETs from", server_,
                                n == 0 ? ECONNRESET : errno);
        input_.append(buffer, static_cast<size_t>(n));

        size_t begin = 0;
        for (;;) {
            const size_t end = input_.find("\r\n", begin);
            if (end == input_.npos)
                break;
            const std::string_view line = std::string_view(input_).substr(begin, end - begin);
            if (line != "STORED" || outstanding_.empty())
                return error("store keys at", server_, fmt::format("it answered '{}'", line));
            stored.push_back(outstanding_.front());
            outstanding_.pop_front();
            begin = end + 2;
        }
        input_.erase(0, begin);
    }
}

} // namespace loadgen
