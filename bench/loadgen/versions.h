// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_VERSIONS_H
#define BENCH_LOADGEN_VERSIONS_H

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

namespace loadgen
{

/// For every key, the last version sent in a SET and the last one acknowledged
/// with STORED. Shared by all threads. At most one SET per key is under way, or
/// their order would be unknown. Version 0: never stored.
class VersionTable
{
  public:
    explicit VersionTable(uint64_t key_count) : versions_(key_count) {}

    /// Claims the key for a SET of the version returned; nothing if one is
    /// under way. Call before any byte of it is sent.
    std::optional<uint32_t> begin_set(uint64_t key)
    {
        Versions &versions = versions_[key];
        uint32_t last = versions.acknowledged.load();
        if (!versions.sent.compare_exchange_strong(last, last + 1))
            return std::nullopt;
        return last + 1;
    }

    /// STORED has arrived for the SET under way.
    void end_set(uint64_t key) { versions_[key].acknowledged.store(versions_[key].sent.load()); }

    uint32_t acknowledged(uint64_t key) const { return versions_[key].acknowledged.load(); }
    uint32_t sent(uint64_t key) const { return versions_[key].sent.load(); }

  private:
    struct Versions {
        std::atomic<uint32_t> sent = 0;
        std::atomic<uint32_t> acknowledged = 0;
    };
    std::vector<Versions> versions_;
};

} // namespace loadgen

#endif
