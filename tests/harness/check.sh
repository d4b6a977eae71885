# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For tests that are scripts: source it after `set -euo pipefail`. It makes the
# folder $scratch, which the test removes at its end.

failures=0
scratch=$(mktemp -d)

# check DESCRIPTION COMMAND...: the command must succeed.
check() {
    if "${@:2}" >"$scratch/output" 2>&1; then
        echo "ok: $1"
    else
        echo "FAILED: $1 ($(tr '\n' ' ' <"$scratch/output"))"
        failures=$((failures + 1))
    fi
}

# refused STATUS TEXT COMMAND...: exits with STATUS and one line that has TEXT.
refused() {
    local status=0 said
    said=$("${@:3}" 2>&1) || status=$?
    echo "exit status $status: $said"
    [[ $status -eq $1 && $said == *"$2"* && $said != *$'\n'* ]]
}

# quiet COMMAND...: succeeds and says nothing.
quiet() {
    local status=0 said
    said=$("$@" 2>&1) || status=$?
    echo "exit status $status: $said"
    [[ $status -eq 0 && -z $said ]]
}

# end_checks: last, the result of the test.
end_checks() {
    [[ $failures -eq 0 ]] || echo "$failures failed"
    [[ $failures -eq 0 ]]
}
