// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_CONFIG_FILE_H
#define BMC_LIB_CONFIG_FILE_H

#include <string>
#include <string_view>

#include "bmc/lib/result.h"
#include "bmc/lib/settings.h"

namespace bmc
{

/// Largest file that is read, in bytes.
constexpr size_t max_config_size = size_t{1} << 20;

/// Takes the settings of a file in TOML, each of whose keys is a setting's name.
/// With `instance_is_fixed` the file may name the instance that `settings` has,
/// and no other. An error names the file and the line that it is about. After an
/// error the settings may hold a part of the file.
Status read_config_file(const std::string &path, Settings &settings,
                        bool instance_is_fixed = false);

/// The same with the text of a file; `path` is for the errors.
Status parse_config(std::string_view text, const std::string &path, Settings &settings,
                    bool instance_is_fixed = false);

} // namespace bmc

#endif
