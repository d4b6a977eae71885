// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_MAPS_H
#define BMC_LIB_MAPS_H

#include <cstddef>
#include <string>

#include <linux/bpf.h>

#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Opens a pinned map and checks its type and size of value, so that reading
/// an element cannot overrun a buffer. Code ENOENT if there is none.
Result<Fd> open_map(const std::string &path, bpf_map_type type, size_t value_size);

/// Reads element 0 into `value`, which must have room for the map's value (for
/// a per-CPU map, 8-byte aligned, times the possible CPUs).
Status read_first(const Fd &map, const std::string &path, void *value);

/// Writes element 0.
Status write_first(int map, const std::string &path, const void *value);

} // namespace bmc

#endif
