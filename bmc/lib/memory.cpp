// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/memory.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fstream>
#include <limits>

#include <fmt/format.h>

#include "bmc/abi/bucket.h"
#include "bmc/abi/layout.h"
#include "bmc/lib/parse.h"

namespace bmc
{

namespace
{

constexpr uint64_t clock_share = 4;
constexpr uint64_t grant_share = 8;
constexpr uint64_t min_grants = 256;
constexpr uint64_t lease_share = 32;

/// Largest count of a map that is a power of two: its indexes are 32 bits.
constexpr uint64_t max_power_count = uint64_t{1} << 31;

uint32_t power_count(uint64_t bytes, size_t entry)
{
    return static_cast<uint32_t>(std::min(std::bit_floor(bytes / entry), max_power_count));
}

} // namespace

uint64_t MemorySplit::bytes() const
{
    return uint64_t{clock_count} * sizeof(__u64) + uint64_t{grant_count} * sizeof(bmc_grant_slot) +
           uint64_t{bucket_count} * sizeof(bmc_bucket) +
           uint64_t{slot_count()} * sizeof(bmc_slot) +
           (lease_count > 1 ? uint64_t{lease_count} * sizeof(bmc_lease) : 0);
}

MemorySplit split_memory(uint64_t budget, OriginKind origin)
{
    MemorySplit split;

    if (origin == OriginKind::stock) {
        split.clock_count = power_count(budget / clock_share, sizeof(__u64) + sizeof(bmc_slot));
        split.grant_count = 1;
        split.lease_count = power_count(budget / lease_share, sizeof(bmc_lease));
    } else {
        split.clock_count = power_count(budget / clock_share, sizeof(__u64));
        split.grant_count =
            power_count(std::max(budget / grant_share, min_grants * sizeof(bmc_grant_slot)),
                        sizeof(bmc_grant_slot));
    }

    const uint64_t rest = budget - std::min(budget, split.bytes());
    split.bucket_count = static_cast<uint32_t>(
        std::min<uint64_t>(rest / sizeof(bmc_bucket), std::numeric_limits<uint32_t>::max()));
    return split;
}

Result<uint64_t> available_memory(const std::string &meminfo)
{
    std::ifstream file(meminfo);
    std::string name;
    std::string unit;
    uint64_t kib = 0;
    uint64_t total = 0;
    uint64_t available = 0;

    while (file >> name >> kib && std::getline(file, unit)) {
        if (name == "MemTotal:")
            total = kib * 1024;
        else if (name == "MemAvailable:")
            available = kib * 1024;
    }
    if (total == 0)
        return Error{"read the machine's memory from", meminfo, ENOENT, "mount /proc", {}};
    return available - std::min(available, total / 16);
}

Status check_min_memory(uint64_t budget)
{
    if (budget < min_memory)
        return Error{"use the memory size",
                     format_size(budget),
                     0,
                     fmt::format("give at least {}", format_size(min_memory)),
                     {}};
    return Done{};
}

Status check_memory(uint64_t budget, uint64_t available)
{
    BMC_TRY(check_min_memory(budget));
    if (budget > available)
        return Error{
            "reserve memory of",
            format_size(budget),
            0,
            fmt::format("this machine can give {} M now; use a smaller --memory", available >> 20),
            {}};
    return Done{};
}

} // namespace bmc
