// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_MAPPED_ARRAY_H
#define BMC_LIB_MAPPED_ARRAY_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Number of elements that a map was made for.
Result<uint32_t> max_entries(const Fd &map, const std::string &path);

/// A pinned, mmapable array map in this process's memory; unmapped with this object.
/// Kernel programs and origin go on writing to it: what is read may be half written, and
/// what is written must be in one atomic step.
class MappedArray
{
  public:
    enum class Access { read, write };

    /// Values must be multiples of eight bytes, as the kernel rounds them up to that.
    static Result<MappedArray> open(const std::string &path, size_t value_size,
                                    Access access = Access::read);

    MappedArray() = default;
    MappedArray(MappedArray &&other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_), count_(other.count_)
    {
    }
    MappedArray &operator=(MappedArray &&other) noexcept
    {
        std::swap(memory_, other.memory_);
        std::swap(bytes_, other.bytes_);
        std::swap(count_, other.count_);
        return *this;
    }
    MappedArray(const MappedArray &) = delete;
    MappedArray &operator=(const MappedArray &) = delete;
    ~MappedArray();

    uint32_t count() const { return count_; }

    /// The elements; T must be what the map was opened with the size of.
    template <class T>
    const T *values() const
    {
        return static_cast<const T *>(memory_);
    }

    /// The same, of an array that was opened to write.
    template <class T>
    T *writable()
    {
        return static_cast<T *>(memory_);
    }

  private:
    void *memory_ = nullptr;
    size_t bytes_ = 0;
    uint32_t count_ = 0;
};

} // namespace bmc

#endif
