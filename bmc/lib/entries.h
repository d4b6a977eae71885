// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_ENTRIES_H
#define BMC_LIB_ENTRIES_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bmc/abi/bucket.h"

namespace bmc
{

/// An entry of the cache, as it is stored.
struct CachedEntry {
    std::string key;          ///< bytes as the client gave them
    uint32_t flags = 0;       ///< the client's
    uint32_t size = 0;        ///< bytes of value
    uint32_t text = 0;        ///< bytes of text, "VALUE ...": what a hit sends of it
    uint32_t memory = 0;      ///< bytes that it takes of its bucket
    uint32_t filled = 0;      ///< bmc_entry_filled()
    uint64_t version = 0;     ///< of the key's clock that it is valid for
    uint64_t generation = 0;  ///< likewise
    uint64_t deadline_ns = 0; ///< CLOCK_MONOTONIC, or BMC_NO_DEADLINE
    bool visited = false;     ///< hit since replacement last considered it

    /// Seconds since it was installed, modulo 194 days; now_ns is CLOCK_MONOTONIC.
    uint32_t age(uint64_t now_ns) const
    {
        return (static_cast<uint32_t>(now_ns / 1'000'000'000) - filled) & BMC_FILLED_MASK;
    }
};

/// Appends all entries of a bucket, as they were at one instant, while the kernel may
/// be at work on it; the bucket is only read. False, with nothing appended, if it was
/// written each time that it was looked at.
bool read_bucket(const bmc_bucket &bucket, std::vector<CachedEntry> &entries);

/// A key in printable ASCII: a backslash is doubled, every other byte that is not
/// printable becomes \xNN.
std::string escape_key(std::string_view key);

/// The key that escape_key() writes so; nothing if a backslash is followed by anything
/// else, or if no key of memcached is it: they have 1 to 250 bytes, none of them a
/// blank, a NUL or the end of a line.
std::optional<std::string> unescape_key(std::string_view text);

} // namespace bmc

#endif
