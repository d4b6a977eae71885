// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_STORAGE_KEY_SET_H
#define BENCH_STORAGE_KEY_SET_H

#include "bench/loadgen/content.h"
#include "bmc/abi/bucket.h"
#include "bmc/protocol/scan.h"

#include <cstdint>
#include <vector>

namespace storage
{

/// The keys of a simulation, by index, as bmc-loadgen stores them: what they hash to and
/// how long the text of their reply is, "VALUE <key> <flags> <bytes>\r\n<value>\r\n".
class KeySet
{
  public:
    /// Keys hash under a seed that follows from `seed`.
    KeySet(const loadgen::Content &content, uint64_t seed);

    uint32_t size() const { return static_cast<uint32_t>(hashes_.size()); }
    uint32_t key_size() const { return content_.key_size(); }
    uint64_t hash(uint32_t key) const { return hashes_[key]; }

    /// Bytes of the reply's text.
    uint32_t length(uint32_t key) const { return lengths_[key]; }
    uint32_t max_length() const;
    /// Blocks of an entry with this text; 0 if no entry may be that large.
    uint32_t blocks(uint32_t key) const;
    /// Bytes of the blocks of all keys' entries.
    uint64_t entry_bytes() const;

    /// Writes the key's key_size() bytes.
    void write_key(uint32_t key, uint8_t *out) const;
    /// Writes the reply's length() bytes of text; it must be one that an entry can have.
    /// Of the value only the end is written, since nothing depends on it.
    void write_text(uint32_t key, bmc_text &out) const;

  private:
    const loadgen::Content content_;
    std::vector<uint64_t> hashes_;
    std::vector<uint32_t> lengths_;
};

} // namespace storage

#endif
