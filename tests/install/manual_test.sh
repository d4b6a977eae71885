#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Holds the manual pages, the completion and the example configuration against what
# the programs say of themselves. Usage: manual_test.sh REPOSITORY BUILD-FOLDER

set -euo pipefail
# shellcheck source=tests/harness/check.sh
source "$1/tests/harness/check.sh"
trap 'rm -rf "$scratch"' EXIT

repository=$1
PATH=$2/bin:$PATH
page8=$repository/bmc/share/bmc.8
page1=$repository/memcached-sr/share/memcached-sr.1

# same WHAT ONE OTHER: each a list of lines. Says what only one of them has.
same() {
    local only status=0
    only=$(comm -23 <(sort -u "$2") <(sort -u "$3") | tr '\n' ' ')
    [[ -z $only ]] || { echo "only $1 has: $only" && status=1; }
    only=$(comm -13 <(sort -u "$2") <(sort -u "$3") | tr '\n' ' ')
    [[ -z $only ]] || { echo "$1 lacks: $only" && status=1; }
    return $status
}

# What stands first on the lines of this part of its --help.
commands_of_help() { bmc --help | sed -n '/^Subcommands:/,/^$/ s/^  \([a-z]\+\) .*/\1/p'; }
options_of_help() { bmc "$@" --help | sed -nE '/^Options:/,/^$/ s/^  (-h,)?(--[a-z0-9-]+).*/\2/p'; }

# "COMMAND OPTION" for each option below a heading "Options of COMMAND, COMMAND and
# COMMAND"; that of all commands is called "every".
options_of_page() {
    sed 's/\\-/-/g' "$page8" | awk '
        /^\.S[HS] / { split("", commands) }
        /^\.SS Options of / {
            sub(/^\.SS Options of /, ""); sub(/ command$/, ""); gsub(/,| and /, " ")
            split($0, commands)
        }
        after_tp && match($0, /--[a-z0-9-]+/) {
            for (i in commands) print commands[i], substr($0, RSTART, RLENGTH)
        }
        { after_tp = /^\.TP/ }'
}
commands_of_page() {
    sed -n '/^\.SH COMMANDS/,/^\.SH OPTIONS/ p' "$page8" | sed -n '/^\.TP/ { n; s/^\.B //p }'
}

for page in "$page8" "$page1"; do
    check "${page##*/} is well-formed" quiet groff -man -ww -z -Tutf8 "$page"
done

commands_of_help >"$scratch/commands"
check "bmc --help names commands" grep -qx attach "$scratch/commands"
commands_of_page >"$scratch/page"
check "commands of bmc --help and of bmc(8)" same "bmc(8)" "$scratch/page" "$scratch/commands"

options_of_page >"$scratch/page_options"
options_of_help >"$scratch/help"
sed -n 's/^every //p' "$scratch/page_options" >"$scratch/page"
check "options of bmc --help and of bmc(8)" same "bmc(8)" "$scratch/page" "$scratch/help"
sed -n 's/ .*//; /^every$/!p' "$scratch/page_options" | sort -u >"$scratch/page"
check "bmc(8) has options of commands that there are" \
    quiet comm -23 "$scratch/page" <(sort -u "$scratch/commands")

# Each under a heading "Options of COMMAND ..." in the page.
while read -r command; do
    options_of_help "$command" >"$scratch/help"
    sed -nE "s/^(every|$command) //p" "$scratch/page_options" >"$scratch/page"
    check "options of bmc $command --help and of bmc(8)" \
        same "bmc(8), under \"Options of ... $command ...\"," "$scratch/page" "$scratch/help"
done <"$scratch/commands"

# The completion asks the command; what it offers is what the help has.
# shellcheck source=bmc/share/bmc.bash
source "$repository/bmc/share/bmc.bash"
complete_words() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _bmc
    printf '%s\n' "${COMPREPLY[@]}"
}
completes() {
    complete_words "${@:2}" >"$scratch/completed"
    same "the completion of '${*:2}'" "$scratch/completed" <(tr ' ' '\n' <<<"$1")
}
check "completion of commands" completes "--help $(paste -sd' ' "$scratch/commands")" bmc ""
while read -r command; do
    check "completion of options of $command" \
        completes "$(options_of_help "$command" | paste -sd' ')" bmc "$command" --
done <"$scratch/commands"
check "completion of a beginning" completes attach bmc att
check "completion of values" completes "tc" bmc attach --mode t
check "completion of interfaces" completes lo bmc attach --interface eth0 lo
check "completion behind a flag" completes --json bmc stats --all --js

options_of_help attach | sed 's/^--//' >"$scratch/help"
sed -nE 's/^#?([a-z0-9-]+) *=.*/\1/p' "$repository/bmc/share/default.toml" >"$scratch/keys"
check "default.toml has keys" grep -qx interface "$scratch/keys"
check "keys of default.toml are options of attach" \
    quiet comm -23 <(sort -u "$scratch/keys") <(sort -u "$scratch/help")

# "-p, --port=<num>   ..." and the like, without -vv and -vvv.
memcached-sr -h | grep -oE '^-[A-Za-z]( |, *)( *--[a-z_-]+)?' | grep -oE -e '--?[A-Za-z_-]+' \
    >"$scratch/help"
check "memcached-sr -h names options" grep -qx -e --udp-port "$scratch/help"
sed -n '/^\.SH OPTIONS OF MEMCACHED/,/^\.SH SERVICE/ { /^\.TP/ { n; s/\\-/-/g; p } }' "$page1" |
    grep -oE -e '--?[A-Za-z_-]+' >"$scratch/page"
check "options of memcached-sr -h and of memcached-sr(1)" \
    same "memcached-sr(1)" "$scratch/page" "$scratch/help"

sed -nE 's/.*"   - ([a-z_]+): .*/\1/p' "$repository/memcached-sr/src/sr_options.c" >"$scratch/ours"
memcached-sr -h | sed -nE 's/^   - ([a-z_]+): .*/\1/p' | grep -xFf "$scratch/ours" \
    >"$scratch/help"
sed -n '/^\.SH OPTIONS FOR BMC/,/^\.SH OPTIONS OF/ { /^\.TP/ { n; p } }' "$page1" |
    sed -E 's/^\.BI? ([a-z_]+).*/\1/' >"$scratch/page"
check "our suboptions of memcached-sr -h and of memcached-sr(1)" \
    same "memcached-sr(1)" "$scratch/page" "$scratch/help"

end_checks
