// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_ATTACH_H
#define BMC_CLI_ATTACH_H

#include "bmc/cli/end_signals.h"
#include "bmc/cli/settings.h"
#include "bmc/lib/attach.h"

/* What the commands have in common that attach. */
namespace bmc::cli
{

enum class Report { lines, json };

/// What SettingOptions::choose() chose, or a failure as of check(). Says so, in lines,
/// if options come from a file that nobody named.
Settings choose(const SettingOptions &options, Report form = Report::lines);

/// Attaches and says what was attached; fails as check() does. One of the signals
/// ends it, with everything undone. `hold` as in AttachOptions. On a terminal it shows
/// meanwhile what it does.
Attached attach_and_report(const Settings &settings, const EndSignals &signals, bool hold,
                           Report form = Report::lines);

} // namespace bmc::cli

#endif
