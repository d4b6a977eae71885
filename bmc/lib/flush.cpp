// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/flush.h"

#include <cerrno>

#include "bmc/lib/control.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/mapped_array.h"
#include "bmc/lib/parse.h"
#include "bmc/protocol/hash.h"

namespace bmc
{

namespace
{

/// An array of the instance to be written to, after it is known to be of this layout.
Result<MappedArray> open_to_write(const std::string &instance, const std::string &pin_root,
                                  const char *name, size_t value_size)
{
    BMC_TRY(check_instance_name(instance));
    const std::string folder = instance_folder(pin_root, instance);
    if (const auto control = load_control(folder); !control)
        return control.error().code == ENOENT ? no_such_instance("flush", instance, pin_root)
                                              : control.error();
    return MappedArray::open(folder + "/" + name, value_size, MappedArray::Access::write);
}

} // namespace

Result<uint64_t> flush_all(const std::string &instance, const std::string &pin_root)
{
    auto control = open_to_write(instance, pin_root, BMC_PIN_CONTROL, sizeof(bmc_control));
    if (!control)
        return control.error();

    return advance_generation(control->writable<bmc_control>()->generation);
}

uint64_t advance_generation(__u64 &generation)
{
    /* Leaves it odd or even, as the origin wants it. */
    constexpr __u64 step = 2;

    return __atomic_add_fetch(&generation, step, __ATOMIC_SEQ_CST);
}

Result<uint64_t> flush_key(const std::string &instance, const std::string &key,
                           const std::string &pin_root)
{
    auto clocks = open_to_write(instance, pin_root, BMC_PIN_CLOCKS, sizeof(__u64));
    if (!clocks)
        return clocks.error();
    const auto control = load_control(instance_folder(pin_root, instance));
    if (!control)
        return control.error();

    const uint64_t hash = bmc_key_hash(control->seed, key.data(), static_cast<__u32>(key.size()));
    __u64 *const clock = clocks->writable<__u64>() + bmc_clock_index(hash, clocks->count());
    return bmc_clock_version(__atomic_add_fetch(clock, BMC_CLOCK_TICK, __ATOMIC_SEQ_CST));
}

} // namespace bmc
