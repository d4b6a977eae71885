// SPDX-License-Identifier: BSD-3-Clause
#include "memcached-sr/tests/pinned_maps.h"

#include <arpa/inet.h>
#include <atomic>
#include <bpf/bpf.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "bmc/lib/interface.h"
#include "bmc/lib/parse.h"
#include "bmc/protocol/hash.h"
#include "tests/harness/error.h"

namespace bmc::test
{

namespace
{

constexpr std::uint32_t clock_count = 1U << 20;
constexpr std::uint32_t control_grant_count = 4096;

std::string unique_folder()
{
    static unsigned count = 0;

    return fmt::format("{}/test-sr-{}-{}", BMC_PIN_ROOT, ::getpid(), ++count);
}

template <typename T>
std::span<T> array(const Mapping &mapping, std::size_t count)
{
    return {static_cast<T *>(mapping.data()), count};
}

/// Reads as another process writes.
__u64 load(__u64 &word)
{
    return std::atomic_ref(word).load();
}

} // namespace

Mapping::Mapping(int fd, std::size_t size) : size_(size)
{
    data_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data_ == MAP_FAILED)
        throw system_error("mmap of a BPF array");
}

Mapping::Mapping(Mapping &&other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(other.size_)
{
}

Mapping &Mapping::operator=(Mapping &&other) noexcept
{
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

Mapping::~Mapping()
{
    if (data_ != nullptr)
        ::munmap(data_, size_);
}

PinnedMaps::PinnedMaps(const NetNs &where, const Faults &faults) : folder_(unique_folder())
{
    std::filesystem::create_directories(folder_);
    try {
        pin(BMC_PIN_CONTROL, sizeof(bmc_control), 1, true, &control_);
        pin(BMC_PIN_CLOCKS, faults.clock_size, clock_count, faults.mappable, &clocks_);
        pin(BMC_PIN_GRANTS, sizeof(bmc_grant_slot), faults.grant_count, true, &grants_);
        pin_sockets();
        if (!faults.pin_grants)
            std::filesystem::remove(folder_ + "/" BMC_PIN_GRANTS);
    } catch (...) {
        remove();
        throw;
    }

    bmc_control &control = array<bmc_control>(control_, 1)[0];

    // Not random: whether two keys of a test share a clock must not change.
    control.seed[0] = 0x0123456789abcdef;
    control.seed[1] = 0xfedcba9876543210;
    control.clock_count = clock_count;
    control.grant_count = control_grant_count;
    control.magic = faults.magic;
    control.layout_version = faults.layout_version;
    where.enter([&control] {
        const auto cookie = network_namespace();

        if (!cookie)
            throw Error(cookie.error().line());
        control.netns_cookie = *cookie;
    });
    for (const std::string &text : faults.addresses) {
        const auto address = parse_address(text);

        if (!address)
            throw Error(address.error().line());
        if (address->family == AF_INET)
            control.served.addr4[control.served.addr4_count++] = address->v4.s_addr;
        else
            std::memcpy(&control.served.addr6[control.served.addr6_count++], &address->v6,
                        sizeof(bmc_addr6));
    }
    for (const std::uint16_t port : faults.ports)
        control.served.port[control.served.port_count++] = htons(port);
}

PinnedMaps::~PinnedMaps()
{
    remove();
}

void PinnedMaps::remove() noexcept
{
    std::error_code ignored;

    std::filesystem::remove_all(folder_, ignored);
}

void PinnedMaps::pin_sockets()
{
    sockets_ = Fd(::bpf_map_create(BPF_MAP_TYPE_SOCKMAP, BMC_PIN_SOCKETS, sizeof(std::uint32_t),
                                   sizeof(std::uint64_t), BMC_MAX_ENDPOINTS, nullptr));
    if (!sockets_)
        throw system_error("create the map of sockets");
    if (::bpf_obj_pin(sockets_.get(), (folder_ + "/" BMC_PIN_SOCKETS).c_str()) != 0)
        throw system_error("pin the map of sockets in " + folder_);
}

void PinnedMaps::pin(const char *name, std::uint32_t value_size, std::uint32_t count, bool mappable,
                     Mapping *mapping)
{
    bpf_map_create_opts options{};

    options.sz = sizeof(options);
    options.map_flags = mappable ? static_cast<__u32>(BPF_F_MMAPABLE) : 0U;

    const Fd fd(::bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(std::uint32_t), value_size, count,
                                 &options));

    if (!fd)
        throw system_error(fmt::format("create the map {}", name));
    if (::bpf_obj_pin(fd.get(), fmt::format("{}/{}", folder_, name).c_str()) != 0)
        throw system_error(fmt::format("pin the map {} in {}", name, folder_));
    if (mappable)
        *mapping = Mapping(fd.get(), std::size_t{value_size} * count);
}

bmc_control PinnedMaps::control() const
{
    bmc_control &control = array<bmc_control>(control_, 1)[0];
    bmc_control copy = control;

    copy.generation = load(control.generation);
    copy.origin_pid = std::atomic_ref(control.origin_pid).load();
    return copy;
}

void PinnedMaps::set_generation(std::uint64_t generation)
{
    array<bmc_control>(control_, 1)[0].generation = generation;
}

std::uint64_t PinnedMaps::hash(std::string_view key) const
{
    return bmc_key_hash(control().seed, key.data(), static_cast<__u32>(key.size()));
}

bool PinnedMaps::has_socket(std::uint32_t endpoint) const
{
    std::uint64_t cookie = 0;

    return ::bpf_map_lookup_elem(sockets_.get(), &endpoint, &cookie) == 0;
}

unsigned PinnedMaps::sockets() const
{
    unsigned count = 0;

    for (std::uint32_t endpoint = 0; endpoint < BMC_MAX_ENDPOINTS; endpoint++)
        count += has_socket(endpoint) ? 1 : 0;
    return count;
}

__u64 &PinnedMaps::clock(std::string_view key) const
{
    return array<__u64>(clocks_, clock_count)[bmc_clock_index(hash(key), clock_count)];
}

std::uint64_t PinnedMaps::version(std::string_view key) const
{
    return bmc_clock_version(load(clock(key)));
}

void PinnedMaps::visit(std::string_view key)
{
    std::atomic_ref(clock(key)) |= BMC_CLOCK_VISITED;
}

bool PinnedMaps::visited(std::string_view key) const
{
    return (load(clock(key)) & BMC_CLOCK_VISITED) != 0;
}

bmc_grant_slot &PinnedMaps::slot(std::string_view key) const
{
    return array<bmc_grant_slot>(
        grants_, control_grant_count)[bmc_grant_index(hash(key), control_grant_count)];
}

bmc_grant PinnedMaps::grant(std::string_view key) const
{
    return slot(key).grant;
}

std::string PinnedMaps::text(std::string_view key) const
{
    const std::span<const __u8> text(slot(key).text);
    const std::size_t length = slot(key).grant.text_length;

    if (length > text.size())
        throw Error(fmt::format("a text of {} bytes is too long for a grant", length));
    return {text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length)};
}

void PinnedMaps::clear_grant(std::string_view key)
{
    slot(key) = {};
}

std::uint64_t PinnedMaps::content(std::uint32_t flags, std::string_view value) const
{
    return bmc_content_hash(control().seed, flags, value.data(), static_cast<__u32>(value.size()));
}

} // namespace bmc::test
