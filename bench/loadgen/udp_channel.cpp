// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/udp_channel.h"

#include <algorithm>
#include <cerrno>
#include <poll.h>

namespace loadgen
{

namespace
{

// Ids in use per outstanding request: what a reply that comes twice has to
// outlive before it could be taken for another's.
constexpr uint32_t ids_per_request = 8;
constexpr uint32_t min_ids = 4096;
static_assert(UdpChannel::max_depth * ids_per_request <= 65536, "ids have 16 bits");

} // namespace

UdpChannel::UdpChannel(Endpoint server, Fd fd, uint32_t depth, int64_t timeout_ns, bool in_parts)
    : server_(std::move(server)), fd_(std::move(fd)), depth_(depth), timeout_ns_(timeout_ns),
      in_parts_(in_parts), slots_(std::max(min_ids, depth * ids_per_request)),
      receive_buffer_(batch * receive_size)
{
    reset_ids();
}

Result<UdpChannel> UdpChannel::open(const Endpoint &server, uint32_t depth, int64_t timeout_ns,
                                    bool in_parts)
{
    auto fd = connect_udp(server);
    if (!fd)
        return fd.error();
    return UdpChannel(server, std::move(*fd), depth, timeout_ns, in_parts);
}

void UdpChannel::reset_ids()
{
    free_ids_.clear();
    for (size_t id = 0; id < slots_.size(); id++) {
        slots_[id].state = State::free;
        free_ids_.push_back(static_cast<uint16_t>(id));
    }
    sent_.clear();
    withheld_ = 0;
    draining_ = false;
}

void UdpChannel::get(const Content &content, const std::vector<Asked> &keys, int64_t start_ns)
{
    const uint16_t id = free_ids_.front();
    free_ids_.pop_front();

    Slot &slot = slots_[id];
    slot.request.keys.assign(keys.begin(), keys.end());
    slot.request.start_ns = start_ns;
    slot.parts.assign(frame_header_size, '\0');
    slot.part_count = 0;
    slot.use++;
    slot.state = State::queued;
    in_flight_++;

    if (queued_ == queue_.size())
        queue_.emplace_back();
    Datagram &datagram = queue_[queued_++];
    datagram.id = id;
    datagram.bytes.clear();
    append_get(content, id, keys, datagram.bytes);
}

Result<size_t> UdpChannel::flush()
{
    size_t done = 0;

    while (done < queued_) {
        std::array<mmsghdr, batch> messages{};
        std::array<iovec, batch> parts{};
        const size_t count = std::min(batch, queued_ - done);
        for (size_t i = 0; i < count; i++) {
            Datagram &datagram = queue_[done + i];
            parts[i] = {datagram.bytes.data(), datagram.bytes.size()};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }

        const int64_t now = now_ns();
        const int n = sendmmsg(fd_.get(), messages.data(), static_cast<unsigned>(count), 0);
        // ECONNREFUSED reports an ICMP answer to an earlier datagram; that one
        // will count as lost.
        if (n < 0 && (errno == ECONNREFUSED || errno == EINTR))
            continue;
        if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
            break;
        if (n < 0)
            return system_error("send requests to", server_.text, errno);

        for (size_t i = 0; i < static_cast<size_t>(n); i++) {
            const uint16_t id = queue_[done + i].id;
            Slot &slot = slots_[id];
            slot.state = State::waiting;
            if (slot.request.start_ns == 0)
                slot.request.start_ns = now;
            sent_.push_back({now, slot.use, id});
        }
        done += static_cast<size_t>(n);
    }
    // What was not sent comes first; the strings of what was are used again.
    std::rotate(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(done),
                queue_.begin() + static_cast<std::ptrdiff_t>(queued_));
    queued_ -= done;
    return done;
}

Result<size_t> UdpChannel::receive(std::vector<Reply> &replies)
{
    std::array<mmsghdr, batch> messages{};
    std::array<iovec, batch> parts{};
    for (size_t i = 0; i < batch; i++) {
        parts[i] = {receive_buffer_.data() + i * receive_size, receive_size};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }

    const int n = recvmmsg(fd_.get(), messages.data(), batch, 0, nullptr);
    if (n < 0 && (errno == EAGAIN || errno == ECONNREFUSED || errno == EINTR))
        return size_t{0};
    if (n < 0)
        return system_error("receive replies from", server_.text, errno);

    for (size_t i = 0; i < static_cast<size_t>(n); i++) {
        const std::string_view datagram(receive_buffer_.data() + i * receive_size,
                                        messages[i].msg_len);
        const auto header = read_frame_header(datagram);
        Slot *slot =
            header && header->request_id < slots_.size() ? &slots_[header->request_id] : nullptr;
        if (slot == nullptr || slot->state == State::free || slot->state == State::queued) {
            replies.push_back({Kind::stray, nullptr, datagram});
            continue;
        }

        if (in_parts_ && !append_part(*slot, *header, datagram))
            continue;
        const bool late = slot->state == State::lost;
        replies.push_back({late ? Kind::late : Kind::reply, &slot->request,
                           in_parts_ ? std::string_view(slot->parts) : datagram});
        slot->state = State::free;
        free_ids_.push_back(header->request_id);
        if (late)
            withheld_--;
        else
            in_flight_--;
    }
    return static_cast<size_t>(n);
}

bool UdpChannel::append_part(Slot &slot, const FrameHeader &header, std::string_view datagram)
{
    constexpr std::string_view end = "\r\nEND\r\n";
    const bool numbered = header.sequence == slot.part_count && header.total > header.sequence;
    const bool unnumbered = header.sequence == 0 && header.total == 1;

    if (!numbered && !unnumbered) {
        slot.parts.assign(datagram); // to be judged as it is
        return true;
    }
    if (slot.part_count == 0)
        write_frame_header({header.request_id, 0, 1, header.reserved}, slot.parts.data());
    slot.parts.append(datagram.substr(frame_header_size));
    slot.part_count++;
    return slot.parts.ends_with(end) ||
           std::string_view(slot.parts).substr(frame_header_size) == end.substr(2);
}

bool UdpChannel::answered(const Sent &sent) const
{
    const Slot &slot = slots_[sent.id];
    return slot.use != sent.use || slot.state != State::waiting;
}

Result<size_t> UdpChannel::expire(int64_t now)
{
    size_t lost = 0;

    for (; !sent_.empty(); sent_.pop_front()) {
        const Sent &oldest = sent_.front();
        if (answered(oldest))
            continue;
        if (oldest.sent_ns > now - timeout_ns_)
            break;
        slots_[oldest.id].state = State::lost;
        in_flight_--;
        withheld_++;
        lost++;
    }

    if (withheld_ + depth_ > slots_.size() / 2)
        draining_ = true;
    if (draining_ && idle()) {
        auto fd = connect_udp(server_);
        if (!fd)
            return fd.error();
        fd_ = std::move(*fd);
        reset_ids();
    }
    return lost;
}

int64_t UdpChannel::next_expiry() const
{
    return sent_.empty() ? INT64_MAX : sent_.front().sent_ns + timeout_ns_;
}

short UdpChannel::events() const
{
    return static_cast<short>(POLLIN | (queued_ == 0 ? 0 : POLLOUT));
}

} // namespace loadgen
