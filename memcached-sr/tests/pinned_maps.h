// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_MEMCACHED_SR_TESTS_PINNED_MAPS_H
#define BMC_MEMCACHED_SR_TESTS_PINNED_MAPS_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bmc/abi/layout.h"
#include "bmc/lib/fd.h"
#include "tests/harness/lab.h"

namespace bmc::test
{

/// A mapping of an array map.
class Mapping
{
  public:
    Mapping() = default;
    /// Throws Error if it cannot be mapped.
    Mapping(int fd, std::size_t size);
    Mapping(Mapping &&other) noexcept;
    Mapping &operator=(Mapping &&other) noexcept;
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;
    ~Mapping();

    [[nodiscard]] void *data() const { return data_; }

  private:
    void *data_ = nullptr;
    std::size_t size_ = 0;
};

/// The maps that an origin opens, as the loader makes them for an instance in
/// the lab's server namespace: pinned in a folder of their own, the arrays mapped.
/// The destructor removes the folder.
class PinnedMaps
{
  public:
    /// What to do otherwise than the loader.
    struct Faults {
        std::uint32_t magic = BMC_MAGIC;
        std::uint32_t layout_version = BMC_LAYOUT_VERSION;
        std::uint32_t clock_size = sizeof(std::uint64_t);
        std::vector<std::string> addresses = {Lab::server4, Lab::server6}; ///< served
        std::vector<std::uint16_t> ports = {11211};                        ///< served
        std::uint32_t grant_count = 4096; ///< of the map; the control map says 4096
        bool mappable = true;             ///< whether `clocks` is
        bool pin_grants = true;
    };

    /// Throws Error if a map cannot be made or pinned; needs root.
    explicit PinnedMaps(const NetNs &where) : PinnedMaps(where, Faults{}) {}
    PinnedMaps(const NetNs &where, const Faults &faults);
    ~PinnedMaps();
    PinnedMaps(const PinnedMaps &) = delete;
    PinnedMaps &operator=(const PinnedMaps &) = delete;

    [[nodiscard]] const std::string &folder() const { return folder_; }

    [[nodiscard]] bmc_control control() const;
    [[nodiscard]] std::uint64_t generation() const { return control().generation; }
    /// Whether a socket is in the place of an endpoint.
    [[nodiscard]] bool has_socket(std::uint32_t endpoint) const;
    /// Number of endpoints with a socket.
    [[nodiscard]] unsigned sockets() const;
    void set_generation(std::uint64_t generation);

    [[nodiscard]] std::uint64_t hash(std::string_view key) const;
    /// Version of the key's clock.
    [[nodiscard]] std::uint64_t version(std::string_view key) const;
    /// Marks the key's clock as a hit does, and whether it is marked.
    void visit(std::string_view key);
    [[nodiscard]] bool visited(std::string_view key) const;
    /// What is at the key's place, for whatever key.
    [[nodiscard]] bmc_grant grant(std::string_view key) const;
    /// The text there, of whatever key.
    [[nodiscard]] std::string text(std::string_view key) const;
    void clear_grant(std::string_view key);
    /// What a grant for this value has to say.
    [[nodiscard]] std::uint64_t content(std::uint32_t flags, std::string_view value) const;

  private:
    void pin(const char *name, std::uint32_t value_size, std::uint32_t count, bool mappable,
             Mapping *mapping);
    void pin_sockets();
    [[nodiscard]] __u64 &clock(std::string_view key) const;
    [[nodiscard]] bmc_grant_slot &slot(std::string_view key) const;
    void remove() noexcept;

    std::string folder_;
    Mapping control_;
    Mapping clocks_;
    Mapping grants_;
    Fd sockets_;
};

} // namespace bmc::test

#endif
