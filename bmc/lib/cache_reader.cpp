// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/cache_reader.h"

#include <cerrno>

#include "bmc/lib/control.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/parse.h"
#include "bmc/protocol/hash.h"

namespace bmc
{

const char *state_name(EntryState state)
{
    switch (state) {
    case EntryState::current:
        return "current";
    case EntryState::written:
        return "written";
    case EntryState::flushed:
        return "flushed";
    case EntryState::expired:
        break;
    }
    return "expired";
}

Result<CacheReader> CacheReader::open(const std::string &instance, const std::string &pin_root)
{
    BMC_TRY(check_instance_name(instance));
    const std::string folder = instance_folder(pin_root, instance);
    if (const auto control = load_control(folder); !control)
        return control.error().code == ENOENT ? no_such_instance("show", instance, pin_root)
                                              : control.error();

    CacheReader reader;
    const struct {
        MappedArray &array;
        const char *name;
        size_t value_size;
    } maps[] = {
        {reader.control_, BMC_PIN_CONTROL, sizeof(bmc_control)},
        {reader.clocks_, BMC_PIN_CLOCKS, sizeof(__u64)},
        {reader.buckets_, pin_buckets, sizeof(bmc_bucket)},
    };
    for (const auto &wanted : maps) {
        auto mapped = MappedArray::open(folder + "/" + wanted.name, wanted.value_size);
        if (!mapped)
            return mapped.error();
        wanted.array = std::move(*mapped);
    }
    return reader;
}

uint64_t CacheReader::entry_count() const
{
    uint64_t entries = 0;

    for (uint32_t i = 0; i < buckets_.count(); i++)
        entries += __atomic_load_n(&buckets_.values<bmc_bucket>()[i].entries, __ATOMIC_RELAXED);
    return entries;
}

bool CacheReader::read(uint32_t bucket, std::vector<CachedEntry> &entries) const
{
    return read_bucket(buckets_.values<bmc_bucket>()[bucket], entries);
}

EntryState CacheReader::state(const CachedEntry &entry, uint64_t now_ns) const
{
    const bmc_control &control = *control_.values<bmc_control>();
    const uint64_t generation = __atomic_load_n(&control.generation, __ATOMIC_RELAXED);
    const uint64_t hash =
        bmc_key_hash(control.seed, entry.key.data(), static_cast<__u32>(entry.key.size()));
    const uint64_t clock = __atomic_load_n(
        clocks_.values<__u64>() + bmc_clock_index(hash, clocks_.count()), __ATOMIC_RELAXED);

    if (entry.generation != generation || generation % 2 != 0)
        return EntryState::flushed;
    if (entry.version != bmc_clock_version(clock))
        return EntryState::written;
    return entry.deadline_ns > now_ns ? EntryState::current : EntryState::expired;
}

} // namespace bmc
