// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_TCP_WRITER_H
#define BENCH_LOADGEN_TCP_WRITER_H

#include "bench/loadgen/content.h"
#include "bench/loadgen/net.h"
#include "bench/loadgen/result.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace loadgen
{

/// One TCP connection that stores keys with pipelined ASCII SETs. Never blocks.
class TcpWriter
{
  public:
    static Result<TcpWriter> connect(const Endpoint &server, int timeout_ms);

    /// Appends a SET to what is to be sent; `tag` comes back with its STORED.
    void set(const Content &content, uint64_t key, uint32_t version, uint32_t tag);

    struct Stored {
        uint64_t key;
        uint32_t tag;
    };
    /// Sends and receives what can be without waiting, and appends the SETs
    /// acknowledged, in order. Fails if the connection breaks or a SET is
    /// answered by anything but STORED.
    Status pump(std::vector<Stored> &stored);

    size_t outstanding() const { return outstanding_.size(); }
    /// poll(2) events to wait for.
    short events() const;
    int fd() const { return fd_.get(); }

  private:
    TcpWriter(Fd fd, std::string server) : fd_(std::move(fd)), server_(std::move(server)) {}

    Status send_some();
    Status receive_some(std::vector<Stored> &stored);

    Fd fd_;
    std::string server_;
    std::string output_;
    size_t sent_ = 0; // bytes of output_
    std::string input_;
    std::deque<Stored> outstanding_;
};

} // namespace loadgen

#endif
