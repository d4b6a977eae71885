#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# `bmc top` in a terminal, which tmux plays, under load. Usage: top_test.sh REPOSITORY
# BUILD-FOLDER

set -euo pipefail
# shellcheck source=tests/harness/check.sh
source "$1/tests/harness/check.sh"

lab=$1/tools/lab
bin=$2/bin
name=toptest$$
server=10.77.0.1
started=() # pids

skip() {
    echo "SKIP: $1"
    rm -rf "$scratch"
    exit "$([[ ${CI:-} == true ]] && echo 1 || echo 77)"
}
[[ $EUID -eq 0 ]] || skip "needs root"
command -v tmux >/dev/null || skip "no tmux"

terminal() { tmux -S "$scratch/tmux" -f /dev/null "$@"; }
cleanup() {
    terminal kill-server 2>/dev/null || true
    [[ ${#started[@]} -eq 0 ]] || kill "${started[@]}" 2>/dev/null || true
    wait
    "$lab" exec --name "$name" server "$bin/bmc" detach --instance "$name" >/dev/null 2>&1 || true
    "$lab" down --name "$name"
    rm -rf "$scratch"
}
trap cleanup EXIT

# start server|client COMMAND...: in the background.
start() {
    (exec "$lab" exec --name "$name" "$@") >"$scratch/log" 2>&1 &
    started+=($!)
}
screen() { terminal capture-pane -p -t top; }
# within COMMAND...: until it succeeds, 30 seconds at most.
within() {
    local deadline=$((SECONDS + 30))
    until "$@"; do
        ((SECONDS < deadline)) || { screen; return 1; }
        sleep 0.1
    done
}
shows() { screen | grep -qE -e "$1"; }
lacks() { ! shows "$1"; }
ended() { ! terminal has-session -t top 2>/dev/null; }
widest() { screen | awk '{ if (length > most) most = length } END { print most + 0 }'; }
is_narrow() { [[ $(widest) -le 40 && $(widest) -gt 20 ]] && shows 'per second' && shows 'misses per'; }
side_by_side() { shows 'per second +misses per second' && shows 'hottest keys.* memory by size'; }
two_views() { # the screen changes with the next look
    local first
    first=$(screen)
    within differs "$first"
}
differs() { [[ $(screen) != "$1" ]]; }
# top_in ENVIRONMENT... -- OPTION...: in a terminal of 90 columns and 30 lines.
top_in() {
    local environment=()
    while [[ $1 != -- ]]; do environment+=("$1"); shift; done
    terminal new-session -d -s top -x 90 -y 30 \
        env "${environment[@]}" "$bin/bmc" top --instance "$name" "${@:2}"
}
bytes_of_screen() { terminal capture-pane -e -p -t top; }
has_colour() { bytes_of_screen | grep -q $'\e\\[[0-9;]*3[0-7]m'; } # 39 is the default
is_plain() { ! has_colour && shows 'hit ratio'; }

"$lab" up --name "$name"
"$lab" exec --name "$name" server "$bin/bmc" attach --interface veth0 --instance "$name" \
    --memory 4M >/dev/null
start server "$bin/memcached-sr" -u nobody -U 11211 -t 1 -o "bmc=/sys/fs/bpf/bmc/$name"
answers() { "$lab" exec --name "$name" client bash -c "exec 3<>/dev/tcp/$server/11211"; }
check "memcached-sr listens" within answers
start client "$bin/bmc-loadgen" --quiet --server "$server" --keys 1000 --value-size 16-400 \
    --set-ratio 0.05 --rate 4000 --seconds 600

check "top starts" top_in TERM=screen-256color -- --interval 0.3
check "hit ratio of the load" within shows 'hit ratio [0-9]+\.[0-9] % in 0\.[0-9] s'
check "gets a second" within shows '^ +[1-9][0-9]*  gets'
check "side by side at 90 columns" within side_by_side
check "latency of misses" within shows 'since attach +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[1-9]'
check "the hottest keys" within shows '[0-9]+\.[0-9] %  [^ ]+'
check "memory by size" within shows '<= +128 +[1-9][0-9]* entries'
check "it goes on" two_views
check "in colour where there is some" has_colour
terminal resize-window -t top -x 40 -y 40
check "one below the other at 40 columns" within is_narrow
terminal resize-window -t top -x 90 -y 6
check "the last line stays at 6 lines" within shows 'q quits'
check "and the first" within shows "^$name: veth0"
terminal resize-window -t top -x 1 -y 1
terminal resize-window -t top -x 100 -y 30
check "back from no size at all" within side_by_side
terminal send-keys -t top x
check "other keys do nothing" within shows 'q quits'
terminal send-keys -t top q
check "q quits" within ended

check "top without colour" top_in TERM=screen-256color NO_COLOR=1 -- --interval 0.3
check "NO_COLOR" within is_plain
terminal send-keys -t top C-c
check "an interrupt ends it" within ended
check "top on a vt100" top_in TERM=vt100 -- --interval 0.3
check "vt100" within is_plain
terminal send-keys -t top q
within ended

once() { "$bin/bmc" top --instance "$name" --interval 0.5 "$@"; }
once_plain() { once --once | grep -q 'hit ratio' && ! once --once | grep -q $'\e'; }
check "--once" once_plain
piped() { once | grep -q 'hit ratio'; }
check "no terminal" piped
json_is_right() {
    once --json | jq -e --arg name "$name" '.instance == $name and .origin_alive
        and .hit_ratio > 0 and .hit_ratio <= 1 and .per_second.gets > 0
        and .per_second.hits > 0 and .per_second.fills > 0 and .sampled_hits > 0
        and (.hottest_keys | length > 0 and length <= 10 and .[0].share >= .[-1].share)
        and .total_miss_latency.samples > 0 and .total_miss_latency.p50_below_us > 0
        and ([.memory.classes[].entries] | add) > 100'
}
check "--json" json_is_right
says_unknown() {
    local said
    ! said=$(TERM=nonsense script -qec "$bin/bmc top --instance $name" /dev/null </dev/null) &&
        [[ $said == *"cannot use the terminal nonsense: its kind (TERM) is not known"* ]]
}
check "a terminal of an unknown kind" says_unknown
check "no instance" refused 1 "there is none of this name" "$bin/bmc" top --instance "$name-x"
check "no interval" refused 2 "--interval" "$bin/bmc" top --interval 0

check "top before a detach" top_in TERM=vt100 -- --interval 0.3
terminal set-option -t top remain-on-exit on
within shows 'hit ratio'
"$lab" exec --name "$name" server "$bin/bmc" detach --instance "$name" >/dev/null
check "it says that the instance was detached" within shows 'was detached'
end_checks
