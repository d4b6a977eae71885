// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/mode.h"

#include <initializer_list>

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

ModeChoice choice_of(Mode mode)
{
    switch (mode) {
    case Mode::native:
        return ModeChoice::native;
    case Mode::generic:
        return ModeChoice::generic;
    case Mode::tc:
        break;
    }
    return ModeChoice::tc;
}

const char *choice_name(ModeChoice choice)
{
    for (const Mode mode : {Mode::native, Mode::generic, Mode::tc})
        if (choice == choice_of(mode))
            return mode_name(mode);
    return "auto";
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
