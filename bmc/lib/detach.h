// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_DETACH_H
#define BMC_LIB_DETACH_H

#include <string>
#include <vector>

#include "bmc/abi/layout.h"
#include "bmc/lib/features.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// What detach found.
struct Detached {
    /// An origin held the instance. It goes on without the cache, also beside a
    /// new instance of this name, until it is restarted.
    bool origin_was_alive = false;
    /// What killed loaders had left and what became of it, one line each.
    std::vector<std::string> notes;
};

/// Removes everything that attach made for the instance, and nothing else:
/// XDP and TC programs, pins, a clsact qdisc that was added and holds no other
/// filter. Works from any network namespace if TC is attached by TCX links;
/// clsact filters are only reached from their own.
Result<Detached> detach(const std::string &instance, const Features &features,
                        const std::string &pin_root = BMC_PIN_ROOT);

} // namespace bmc

#endif
