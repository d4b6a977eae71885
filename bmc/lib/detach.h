// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_DETACH_H
#define BMC_LIB_DETACH_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bmc/abi/layout.h"
#include "bmc/lib/features.h"
#include "bmc/lib/origin.h"
#include "bmc/lib/result.h"
#include "bmc/lib/stock/hooks.h"

namespace bmc
{

/// What detach found.
struct Detached {
    /// The origin that held the instance, if any. It goes on without the cache,
    /// also beside a new instance of this name, until it is restarted.
    std::optional<Origin> origin;
    /// What killed loaders had left and what became of it, one line each.
    std::vector<std::string> notes;
};

/// Removes everything that attach made for the instance, and nothing else:
/// XDP and TC programs, pins, a clsact qdisc that was added and holds no other
/// filter. Works from any network namespace if TC is attached by TCX links;
/// clsact filters are only reached from their own. If `id` is given, an instance
/// of this name with another instance_id() is left alone: that is an error. With a stock
/// memcached it takes until that has read what waits for it; without `waiting` that is
/// not waited for long.
Result<Detached> detach(const std::string &instance, const Features &features,
                        const std::string &pin_root = BMC_PIN_ROOT,
                        std::optional<uint64_t> id = std::nullopt, const Waiting &waiting = {});

/// The error if somebody else has detached the instance, be it that another took
/// its name.
Error detached_by_another(const std::string &instance);

} // namespace bmc

#endif
