// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_DEVICES_H
#define BMC_LIB_DEVICES_H

#include <cstdint>
#include <string>
#include <vector>

#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// The pinned map by which a later process knows, from whichever network
/// namespace, which of an instance's interfaces are still where they were. The
/// kernel takes a device out of a devmap when it is removed or moved to another
/// network namespace (Linux, kernel/bpf/devmap.c: dev_map_notification()); its
/// qdiscs and filters go with that too.
class DeviceMap
{
  public:
    /// Makes an empty map and pins it in the folder of an instance.
    static Result<DeviceMap> create(const std::string &folder);

    /// Opens an instance's map; code ENOENT if the folder has none.
    static Result<DeviceMap> open(const std::string &folder);

    /// Adds an interface of the current network namespace.
    Status add(uint32_t ifindex) const;

    /// Whether an interface that was added is still there.
    bool has(uint32_t ifindex) const;

    /// All that were added and are still there.
    std::vector<uint32_t> list() const;

  private:
    DeviceMap(std::string path, Fd map) : path_(std::move(path)), map_(std::move(map)) {}

    std::string path_;
    Fd map_;
};

} // namespace bmc

#endif
