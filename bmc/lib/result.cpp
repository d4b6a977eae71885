// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/result.h"

#include <algorithm>
#include <system_error>

namespace bmc
{

std::string Error::line() const
{
    std::string text = "cannot " + operation;

    if (!object.empty())
        text += " " + object;
    if (code != 0)
        text += ": " + std::generic_category().message(code);
    if (!hint.empty())
        text += ": " + hint;
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

} // namespace bmc
