// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_TRAFFICGEN_SINK_H
#define BENCH_TRAFFICGEN_SINK_H

#include "bench/trafficgen/reflect.h"
#include "bmc/lib/interface.h"

#include <optional>
#include <string>

namespace trafficgen
{

/// The counting sink on an interface in the place of the XDP program that was
/// there, which comes back with the end of this object. Only one at a time on an
/// interface.
///
/// If the process is killed the sink stays. It takes replies to the generator's
/// own ports only, so that for everybody else it is a program that passes all
/// packets, as the one before. The next Sink knows it by its name and leaves an
/// XDP_PASS program in its place.
class Sink
{
  public:
    /// Names of the kernel programs that a killed process may have left.
    static constexpr const char *program_name = "count_replies";

    /// Does not take ownership of the program. Fails if the interface has an XDP
    /// program attached by a BPF link, which cannot be replaced.
    static Result<Sink> attach(const bmc::Interface &interface, int program);

    Sink(Sink &&other) noexcept = default;
    Sink &operator=(Sink &&) = delete;
    Sink(const Sink &) = delete;
    Sink &operator=(const Sink &) = delete;
    ~Sink();

    /// Puts back what was there before; does nothing if somebody else has taken
    /// the place since.
    Status restore();

  private:
    Sink() = default;

    std::string interface_;
    int ifindex_ = 0;
    Fd lock_;
    Fd program_;                  ///< a descriptor of our own; none once restored
    Fd before_;                   ///< what was there, if anything
    std::optional<Reflect> pass_; ///< if that was a leftover
    uint32_t flags_ = 0;
};

} // namespace trafficgen

#endif
