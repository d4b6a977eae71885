// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/control.h"

#include "bmc/lib/maps.h"

namespace bmc
{

Result<bmc_control> load_control(const Fd &map, const std::string &folder)
{
    const std::string path = folder + "/" BMC_PIN_CONTROL;
    bmc_control control = {};

    BMC_TRY(read_first(map, path, &control));
    if (control.magic != BMC_MAGIC || control.layout_version != BMC_LAYOUT_VERSION)
        return Error{"use the pinned map",
                     path,
                     0,
                     "another version of bmc made it; use that one, or detach and attach again",
                     {}};
    return control;
}

Result<bmc_control> load_control(const std::string &folder)
{
    const auto map =
        open_map(folder + "/" BMC_PIN_CONTROL, BPF_MAP_TYPE_ARRAY, sizeof(bmc_control));

    if (!map)
        return map.error();
    return load_control(*map, folder);
}

} // namespace bmc
