// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_RECORD_H
#define BMC_LIB_RECORD_H

#include <cstddef>
#include <cstdint>
#include <net/if.h>
#include <string>
#include <vector>

#include "bmc/abi/config.h"
#include "bmc/lib/fd.h"
#include "bmc/lib/mode.h"
#include "bmc/lib/result.h"
#include "bmc/lib/tc.h"

namespace bmc
{

/// Raised when a field of the record changes its meaning or its place. Others are added
/// behind the last: a bmc that does not know them leaves them alone, and in a record
/// without them they read as zeros.
constexpr uint32_t record_version = 3;

/// What attach did to one interface. Links speak for themselves; clsact filters
/// leave no other trace, so they are written down before they are made.
struct InterfaceRecord {
    char name[IF_NAMESIZE];
    uint32_t ifindex;
    Mode mode;
    TcKind tc;
    uint32_t qdisc_added; ///< 1 if the clsact qdisc is ours
    TcFilter ingress;     ///< if tc is clsact
    TcFilter egress;      ///< likewise
};

/// The one element of an instance's pinned map `instance`, by which a later
/// process knows what to show and what to remove.
struct InstanceRecord {
    uint32_t version;
    uint32_t interface_count;
    uint64_t network_namespace; ///< as network_namespace() tells
    uint64_t memory_bytes;      ///< of clocks, grants and buckets together
    uint64_t budget;            ///< as of Access
    InterfaceRecord interface[BMC_MAX_MACS];
};

/// The pinned map that holds an instance's record.
class RecordMap
{
  public:
    /// Makes an empty map and pins it in the folder of an instance.
    static Result<RecordMap> create(const std::string &folder);

    /// Opens an instance's map; code ENOENT if the folder has none.
    static Result<RecordMap> open(const std::string &folder);

    /// Reads the record; code ENOTSUP if another version of bmc wrote it.
    Result<InstanceRecord> load() const;

    Status save(const InstanceRecord &record) const;

  private:
    RecordMap(std::string path, Fd map, size_t size)
        : path_(std::move(path)), map_(std::move(map)), size_(size)
    {
    }

    /// The map's value, at least as long as a record.
    Result<std::vector<std::byte>> read() const;

    std::string path_;
    Fd map_;
    size_t size_; ///< bytes of the map's value
};

} // namespace bmc

#endif
