// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/shared_state.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <limits>

#include "bmc/lib/control.h"
#include "bmc/protocol/hash.h"

namespace bmc
{

namespace
{

/// No value that `untracked` reaches.
constexpr uint64_t never_covered = std::numeric_limits<uint64_t>::max();

template <class T>
void store(T &field, T value)
{
    std::atomic_ref(field).store(value);
}

/// Raises a field to this value, if it is lower.
void raise(__u64 &field, __u64 value)
{
    const std::atomic_ref shared(field);
    __u64 before = shared.load();

    while (before < value && !shared.compare_exchange_weak(before, value)) {
    }
}

uint64_t monotonic_ns()
{
    timespec now = {};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * BMC_NS_PER_S + static_cast<uint64_t>(now.tv_nsec);
}

} // namespace

uint32_t monotonic_seconds()
{
    return static_cast<uint32_t>(monotonic_ns() / BMC_NS_PER_S);
}

Result<SharedState> SharedState::open(const std::string &folder)
{
    const auto checked = load_control(folder);
    if (!checked)
        return checked.error();

    SharedState state;
    auto control = MappedArray::open(folder + "/" BMC_PIN_CONTROL, sizeof(bmc_control),
                                     MappedArray::Access::write);
    if (!control)
        return control.error();
    auto slots = MappedArray::open(folder + "/" BMC_PIN_SLOTS, sizeof(bmc_slot),
                                   MappedArray::Access::write);
    if (!slots)
        return slots.error();
    if (slots->count() != checked->clock_count)
        return Error{"use the instance", folder, 0, "its maps do not fit each other", {}};
    state.control_ = std::move(*control);
    state.slots_ = std::move(*slots);
    return state;
}

uint64_t SharedState::untracked() const
{
    return __atomic_load_n(&control().stock.untracked, __ATOMIC_SEQ_CST);
}

bool SharedState::is_covered() const
{
    return untracked() == __atomic_load_n(&control().stock.covered, __ATOMIC_SEQ_CST);
}

void SharedState::advance_generation(std::chrono::milliseconds guard)
{
    /* In the order of the kernel's. */
    raise(writable().stock.unfillable_until_ns,
          monotonic_ns() + static_cast<uint64_t>(std::chrono::nanoseconds(guard).count()));
    std::atomic_ref(writable().generation).fetch_add(2);
}

void SharedState::cover(uint64_t untracked, std::chrono::milliseconds guard)
{
    advance_generation(guard);
    store<__u64>(writable().stock.covered, untracked);
}

void SharedState::stop_serving()
{
    store<__u64>(writable().stock.covered, never_covered);
    set_fills(false);
}

void SharedState::set_fills(bool allowed)
{
    store<__u32>(writable().stock.fills, allowed ? 1 : 0);
}

void SharedState::set_wall_offset(int64_t seconds)
{
    store<__s64>(writable().stock.wall_offset_s, seconds);
}

void SharedState::set_origin_pid(uint32_t pid)
{
    store<__u32>(writable().origin_pid, pid);
}

void SharedState::add(bmc_expiries &expiries, int64_t time)
{
    const int64_t last_second = std::numeric_limits<uint32_t>::max();
    const int64_t second = time - writable().stock.wall_offset_s;
    const uint32_t now = monotonic_seconds();

    if (second + BMC_WALL_UNCERTAINTY_S < now)
        return; /* it has expired */
    const auto bounded = [last_second](int64_t value) {
        return static_cast<uint32_t>(std::clamp<int64_t>(value, 0, last_second));
    };
    while (bmc_expiry_add(&expiries, now, bounded(second - BMC_WALL_UNCERTAINTY_S),
                          bounded(second + BMC_WALL_UNCERTAINTY_S)) == 0) {
        /* The kernel programs wrote it all the time. */
    }
}

void SharedState::add_expiry(std::string_view key, int64_t time)
{
    const __u64 hash =
        bmc_key_hash(control().seed, key.data(), static_cast<uint32_t>(key.size()));

    add(slots_.writable<bmc_slot>()[bmc_clock_index(hash, slots_.count())].expiries, time);
}

void SharedState::add_flush(int64_t time)
{
    add(writable().stock.flushes, time);
}

} // namespace bmc
