// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_CACHE_READER_H
#define BMC_LIB_CACHE_READER_H

#include <cstdint>
#include <string>
#include <vector>

#include "bmc/abi/layout.h"
#include "bmc/lib/entries.h"
#include "bmc/lib/mapped_array.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Whether the kernel would answer with an entry, if an origin is attached, or why not.
enum class EntryState {
    current,
    written, ///< the key, or one with the same clock, was written since
    flushed, ///< flush_all, or a start of the origin, came since
    expired, ///< its exptime has come
};

/// "current", "written", "flushed", "expired"
const char *state_name(EntryState state);

/// Reads the cache of an instance without disturbing it.
class CacheReader
{
  public:
    /// Needs the privilege to open the instance's maps.
    static Result<CacheReader> open(const std::string &instance,
                                    const std::string &pin_root = BMC_PIN_ROOT);

    uint32_t bucket_count() const { return buckets_.count(); }

    /// Number of entries, current or not.
    uint64_t entry_count() const;

    /// read_bucket() of the bucket with this number, below bucket_count().
    bool read(uint32_t bucket, std::vector<CachedEntry> &entries) const;

    /// The state of an entry now; now_ns is CLOCK_MONOTONIC.
    EntryState state(const CachedEntry &entry, uint64_t now_ns) const;

  private:
    CacheReader() = default;

    MappedArray control_;
    MappedArray clocks_;
    MappedArray buckets_;
};

} // namespace bmc

#endif
