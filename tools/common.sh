# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the scripts in this folder: source it after `set -euo pipefail`.

PATH=$PATH:/usr/sbin:/sbin # bpftool and ip, where a user's path lacks them
export HOME=${HOME:-/root} # fetched sources are kept below it
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # used by those who source this file
build_dir=$repository/build/release
program=tools/$(basename "$0")

# die MESSAGE...: one line on standard error, exit 1.
die() {
    echo "$program: $*" >&2
    exit 1
}

# usage_error MESSAGE...: the same for wrong arguments, exit 2.
usage_error() {
    echo "$program: $* (see $program --help)" >&2
    exit 2
}

# need_root: network namespaces, BPF and apt-get all need it.
need_root() {
    [[ $EUID -eq 0 ]] || die "must run as root (sudo $program ...)"
}

# Ends the script, by way of its EXIT trap, when a signal asks for it.
end_by_signal() {
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# made FLAG COMMAND...: runs COMMAND and sets the variable FLAG, at which the clean-up
# looks, to true. A signal meanwhile is obeyed after that: between the two, it would
# leave behind what COMMAND made.
made() {
    local signal_status=0
    trap 'signal_status=130' INT
    trap 'signal_status=143' TERM HUP
    "${@:2}"
    printf -v "$1" true
    end_by_signal
    ((signal_status == 0)) || exit "$signal_status"
}
