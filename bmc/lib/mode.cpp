// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/mode.h"

namespace bmc
{

const char *mode_name(Mode mode)
{
    switch (mode) {
    case Mode::native:
        return "native";
    case Mode::generic:
        return "generic";
    case Mode::tc:
        break;
    }
    return "tc";
}

const char *mode_text(Mode mode)
{
    switch (mode) {
    case Mode::native:
        return "XDP native";
    case Mode::generic:
        return "XDP generic";
    case Mode::tc:
        break;
    }
    return "TC without XDP";
}

} // namespace bmc
