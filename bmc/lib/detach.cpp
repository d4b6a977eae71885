// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/detach.h"

#include <cerrno>
#include <cstdio>

#include <fmt/format.h>

#include "bmc/lib/instance.h"
#include "bmc/lib/parse.h"
#include "bmc/lib/pins.h"

namespace bmc
{

Result<Detached> detach(const std::string &instance, const Features &features,
                        const std::string &pin_root, std::optional<uint64_t> id,
                        const Waiting &waiting)
{
    const auto missing = [&] {
        return id ? detached_by_another(instance) : no_such_instance("detach", instance, pin_root);
    };

    BMC_TRY(check_instance_name(instance));
    BMC_TRY(features.privilege(Work::detach));
    BMC_TRY(features.bpffs());

    const auto root = PinRoot::lock(pin_root, PinRoot::Missing::refuse);
    if (!root && root.error().code == ENOENT)
        return missing();
    if (!root)
        return root.error();
    const auto leftovers = remove_leftovers(*root);
    if (!leftovers)
        return leftovers.error();

    Detached done;
    bool removed_rest = false;
    for (const Leftover &leftover : *leftovers) {
        if (!leftover.removed && leftover.instance == instance)
            return leftover.removed.error();
        removed_rest = removed_rest || leftover.instance == instance;
        done.notes.push_back(describe(leftover));
    }

    const std::string folder = instance_folder(root->path(), instance);
    if (!is_instance(folder)) {
        if (removed_rest)
            return done;
        return missing();
    }
    if (id) {
        const auto found = instance_id(folder);
        if (!found)
            return found.error();
        if (*found != *id)
            return missing();
    }
    BMC_TRY(check_removable(folder));
    done.origin = find_origin(folder);
    BMC_TRY(remove_hooks(folder, waiting));

    /* From here on it is no instance any more, even if we are killed. */
    const std::string retired = detaching_folder(root->path(), instance);
    if (std::rename(folder.c_str(), retired.c_str()) != 0)
        return Error{"rename the folder", folder, errno, {}, {}};
    BMC_TRY(remove_instance(retired));
    return done;
}

Error detached_by_another(const std::string &instance)
{
    return {"find the instance",
            fmt::format("'{}'", instance),
            0,
            "somebody else has detached it meanwhile",
            {}};
}

} // namespace bmc
