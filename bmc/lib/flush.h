// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_FLUSH_H
#define BMC_LIB_FLUSH_H

#include <cstdint>
#include <string>

#include "bmc/abi/layout.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// Makes all entries of an instance useless at once, and every grant, by advancing its
/// generation; the generation then. Nothing that a get of the kernel answers from now on
/// was read at the origin before. bmc/README.md (Flush) says why that is safe at any time.
/// Needs the privilege to open the instance's maps.
Result<uint64_t> flush_all(const std::string &instance, const std::string &pin_root = BMC_PIN_ROOT);

/// The step of flush_all() on the generation itself, of which no other step is lost; the
/// generation then.
uint64_t advance_generation(__u64 &generation);

/// flush_all() for one key, and for those that share its clock, by a tick; the version that
/// the clock shows then.
Result<uint64_t> flush_key(const std::string &instance, const std::string &key,
                           const std::string &pin_root = BMC_PIN_ROOT);

} // namespace bmc

#endif
