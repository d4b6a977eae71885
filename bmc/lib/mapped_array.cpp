// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/mapped_array.h"

#include <cerrno>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "bmc/lib/maps.h"

namespace bmc
{

Result<uint32_t> max_entries(const Fd &map, const std::string &path)
{
    bpf_map_info info = {};
    __u32 size = sizeof info;

    if (bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0)
        return Error{"examine the pinned map", path, errno, {}, {}};
    return info.max_entries;
}

Result<MappedArray> MappedArray::open(const std::string &path, size_t value_size, Access access)
{
    const auto map = open_map(path, BPF_MAP_TYPE_ARRAY, value_size);
    if (!map)
        return map.error();
    const auto count = max_entries(*map, path);
    if (!count)
        return count.error();

    const size_t bytes = size_t{*count} * value_size;
    const int protection = access == Access::write ? PROT_READ | PROT_WRITE : PROT_READ;
    void *const memory = mmap(nullptr, bytes, protection, MAP_SHARED, map->get(), 0);
    if (memory == MAP_FAILED)
        return Error{"map into memory", path, errno, {}, {}};
    MappedArray mapped;
    mapped.memory_ = memory;
    mapped.bytes_ = bytes;
    mapped.count_ = *count;
    return mapped;
}

MappedArray::~MappedArray()
{
    if (memory_ != nullptr)
        munmap(memory_, bytes_);
}

} // namespace bmc
