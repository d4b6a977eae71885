// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_CONTENT_H
#define BENCH_LOADGEN_CONTENT_H

#include "bench/loadgen/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loadgen
{

inline constexpr uint32_t max_key_size = 250; // memcached's limit

/// A reply with a larger value would be so many datagrams that some get lost.
inline constexpr uint32_t max_value_size = 8192;

/// Sizes of values: weighted ranges, uniform within each.
class SizeDistribution
{
  public:
    /// Text form: SIZE, MIN-MAX, or a list of these with weights, as in
    /// "32:90,100-500:10"; the weight is 1 if left out.
    static Result<SizeDistribution> parse(std::string_view text);

    /// The size that belongs to a uniformly distributed number.
    uint32_t pick(uint64_t random) const;
    uint32_t max() const;

  private:
    struct Range {
        uint32_t min;
        uint32_t max;
        uint64_t weights; // of this range and all before it
    };
    std::vector<Range> ranges_;
};

/// What is stored: every key, flags word and value follows from the key's
/// index and a version alone, so that each byte of a reply can be checked
/// without remembering what was sent.
class Content
{
  public:
    /// key_count >= 1. Fails if key_size is too small to tell that many keys
    /// apart.
    static Result<Content> make(uint64_t key_count, uint32_t key_size, SizeDistribution sizes);

    uint64_t key_count() const { return key_count_; }
    uint32_t key_size() const { return key_size_; }
    uint32_t max_value_size() const { return sizes_.max(); }

    /// Writes the key's key_size() bytes: padding, then the index in decimal.
    void write_key(uint64_t index, char *out) const;

    /// The client flags carry the version, also for values of no bytes; they
    /// are offset by key, so that another key's flags do not pass for it.
    uint32_t flags(uint64_t index, uint32_t version) const;
    /// The version that has these flags.
    uint32_t version_of(uint64_t index, uint32_t flags) const;

    uint32_t value_size(uint64_t index, uint32_t version) const;
    /// Writes value_size(index, version) bytes of all kinds, CR, LF and NUL
    /// among them. The room at `out` is rounded up to a multiple of 8.
    void write_value(uint64_t index, uint32_t version, char *out) const;

  private:
    Content(uint64_t key_count, uint32_t key_size, SizeDistribution sizes)
        : key_count_(key_count), key_size_(key_size), sizes_(std::move(sizes))
    {
    }

    uint64_t key_count_;
    uint32_t key_size_;
    SizeDistribution sizes_;
};

} // namespace loadgen

#endif
