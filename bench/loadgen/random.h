// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_RANDOM_H
#define BENCH_LOADGEN_RANDOM_H

#include <cstdint>

namespace loadgen
{

/// Finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable
/// pseudorandom number generators", OOPSLA 2014): a bijection of 64 bits that
/// spreads neighbouring inputs.
constexpr uint64_t mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

/// SplitMix64: small, fast, and the same numbers from the same seed everywhere.
class Random
{
  public:
    explicit constexpr Random(uint64_t seed) : state_(seed) {}

    constexpr uint64_t next() { return mix64(state_ += 0x9e3779b97f4a7c15ULL); }

    /// Uniform in [0, 1), 53 bits.
    constexpr double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

    /// Uniform in [0, bound); bound > 0. The bias is below bound / 2^64.
    constexpr uint64_t below(uint64_t bound)
    {
        __extension__ using wide = unsigned __int128;
        return static_cast<uint64_t>((static_cast<wide>(next()) * bound) >> 64);
    }

  private:
    uint64_t state_;
};

} // namespace loadgen

#endif
