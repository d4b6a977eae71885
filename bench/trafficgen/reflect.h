// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_REFLECT_H
#define BENCH_TRAFFICGEN_REFLECT_H

#include "bench/loadgen/result.h"

#include <cstdint>
#include <memory>
#include <vector>

struct reflect_bpf; // the generated skeleton

namespace trafficgen
{

using namespace loadgen;

/// A kernel program for the server's end, loaded; attached to nothing.
class Reflect
{
  public:
    /// Sends UDP datagrams to this port back to their senders: swaps Ethernet and
    /// IP addresses and ports, and nothing else. Packets with VLAN tags, IPv4
    /// options or IPv6 extension headers pass.
    static Result<Reflect> load_echo(uint16_t port);

    /// Passes every packet.
    static Result<Reflect> load_pass();

    /// Descriptor of the program, owned by this object.
    int program() const { return program_; }

  private:
    struct Destroy {
        void operator()(reflect_bpf *skeleton) const;
    };
    static Result<Reflect> load(bool echo, uint16_t port);

    Reflect(std::unique_ptr<reflect_bpf, Destroy> skeleton, int program)
        : skeleton_(std::move(skeleton)), program_(program)
    {
    }

    std::unique_ptr<reflect_bpf, Destroy> skeleton_;
    int program_;
};

} // namespace trafficgen

#endif
