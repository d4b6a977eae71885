// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_PROCESS_H
#define BMC_LIB_PROCESS_H

#include <cstdint>
#include <vector>

#include "bmc/lib/fd.h"

namespace bmc
{

/// Pids of all processes that are seen from here.
std::vector<uint32_t> all_pids();

/// A pidfd of the process, readable once that has ended; none, with errno, if there is
/// no such process.
Fd open_process(uint32_t pid);

/// Whether the process of a pidfd has ended.
bool ended(const Fd &process);

} // namespace bmc

#endif
