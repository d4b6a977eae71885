// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_UDP_CHANNEL_H
#define BENCH_LOADGEN_UDP_CHANNEL_H

#include "bench/loadgen/content.h"
#include "bench/loadgen/net.h"
#include "bench/loadgen/reply.h"
#include "bench/loadgen/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace loadgen
{

/// A get that was sent: what its reply is judged and timed by.
struct Request {
    std::vector<Asked> keys; // at least one
    int64_t start_ns;        // latency counts from here
};

/// One UDP socket and the requests on their way over it.
///
/// Request ids: a reply carries the id of its request, and nothing else tells
/// two requests for one key apart. An id is used again only after its reply has
/// come, the longest unused one first. The id of a lost request is withheld
/// until its late reply comes; when too many are withheld, the channel takes no
/// more requests until the others are done, and then goes on with a new socket,
/// whose new port no late reply can reach.
class UdpChannel
{
  public:
    /// depth: requests on their way at once, 1 to max_depth.
    /// in_parts: replies of several datagrams are put together; without, one is a reply.
    static Result<UdpChannel> open(const Endpoint &server, uint32_t depth, int64_t timeout_ns,
                                   bool in_parts = false);
    static constexpr uint32_t max_depth = 8192;

    /// Whether another request may be queued. A closed-loop SET occupies a
    /// place of the window as well: reserve() and release().
    bool has_room() const { return in_flight_ < depth_ && !draining_; }
    void reserve() { in_flight_++; }
    void release() { in_flight_--; }
    bool idle() const { return in_flight_ == 0; }

    /// Queues a get; only if has_room(). A start_ns of 0 stands for the time at
    /// which it is sent.
    void get(const Content &content, const std::vector<Asked> &keys, int64_t start_ns);

    /// Sends what is queued, as far as the socket takes it. Returns how many
    /// were sent.
    Result<size_t> flush();

    enum class Kind {
        reply, // to a request on its way
        late,  // to a request counted as lost before
        stray, // to no request: id unknown, or answered already
    };
    struct Reply {
        Kind kind;
        const Request *request;    // unless stray; valid until the next get()
        std::string_view datagram; // with in_parts, all put together as one
    };
    /// Receives one batch without waiting. The datagrams stay valid until the
    /// next call of receive() or get().
    Result<size_t> receive(std::vector<Reply> &replies);

    /// Gives up requests sent timeout_ns ago or earlier; returns how many.
    Result<size_t> expire(int64_t now);
    /// When the oldest request on its way will be given up; INT64_MAX if none.
    int64_t next_expiry() const;

    /// poll(2) events to wait for.
    short events() const;
    int fd() const { return fd_.get(); }

  private:
    enum class State : uint8_t { free, queued, waiting, lost };
    struct Slot {
        Request request;
        std::string parts;   // of a reply, with in_parts_
        uint16_t part_count; // datagrams of it
        uint32_t use;        // counts the uses of this id
        State state;
    };
    struct Sent {
        int64_t sent_ns;
        uint32_t use;
        uint16_t id;
    };
    static constexpr size_t batch = 64;
    // Larger than any datagram that is right, so that a wrong one shows.
    static constexpr size_t receive_size = 2048;

    UdpChannel(Endpoint server, Fd fd, uint32_t depth, int64_t timeout_ns, bool in_parts);

    void reset_ids();
    /// Appends a datagram to the reply of its get; whether that is complete. memcached-sr
    /// numbers the datagrams of a reply to several keys, while upstream memcached calls each
    /// value's the only one.
    static bool append_part(Slot &slot, const FrameHeader &header, std::string_view datagram);
    bool answered(const Sent &sent) const;

    Endpoint server_;
    Fd fd_;
    uint32_t depth_;
    int64_t timeout_ns_;
    bool in_parts_;
    uint32_t in_flight_ = 0;
    uint32_t withheld_ = 0;
    bool draining_ = false;

    std::vector<Slot> slots_; // by id
    std::deque<uint16_t> free_ids_;
    std::deque<Sent> sent_; // by time; answered ones leave when they come first

    struct Datagram {
        std::string bytes;
        uint16_t id;
    };
    std::vector<Datagram> queue_; // to be sent, in order, as far as queued_
    size_t queued_ = 0;           // those behind keep their memory for the next ones
    std::vector<char> receive_buffer_;
};

} // namespace loadgen

#endif
