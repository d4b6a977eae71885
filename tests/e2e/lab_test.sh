#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Tests of tools/lab. Usage: lab_test.sh REPOSITORY

set -euo pipefail
# shellcheck source=tests/harness/check.sh
source "$1/tests/harness/check.sh"

lab=$1/tools/lab
prefix=labtest$$

cleanup() {
    for name in $(names); do
        "$lab" down --name "$name"
    done
    rm -rf "$scratch"
}
trap cleanup EXIT

names() { "$lab" list | grep "^$prefix" || true; }

# A lab leaves no namespace, no pinned program and no process behind.
gone() {
    ! ip netns list | grep "lab-$1-" && ! ls -d "/sys/fs/bpf/lab-$1-"* 2>/dev/null
}

ping_from() { "$lab" exec --name "$1" "$2" ping -q -c 1 -W 5 "$3"; }
sees_bpffs() { [[ $("$lab" exec --name "$1" server stat -f -c %T /sys/fs/bpf) == bpf_fs ]]; }
# PIDS: gone, or zombies that nobody has waited for yet. One that is ending has left
# its namespace a little before that.
all_ended() {
    local pid tries
    for pid in $1; do
        for ((tries = 0; tries < 1000; tries++)); do
            [[ $(ps -o stat= -p "$pid") =~ ^Z?[^A-Z]*$ ]] && continue 2
            sleep 0.02
        done
        return 1
    done
}
exits_with() { local s=0; "${@:2}" || s=$?; [[ $s -eq $1 ]]; }

a=$prefix-a
b=$prefix-b
check "up" "$lab" up --name "$a"
check "client reaches server, IPv4" ping_from "$a" client 10.77.0.1
check "client reaches server, IPv6" ping_from "$a" client fd77::1
check "server reaches client, IPv4" ping_from "$a" server 10.77.0.2
check "server reaches client, IPv6" ping_from "$a" server fd77::2
check "exec sees /sys/fs/bpf" sees_bpffs "$a"
check "exec passes the exit status" exits_with 7 "$lab" exec --name "$a" client sh -c 'exit 7'
check "up refuses an existing lab" refused 1 "exists already" "$lab" up --name "$a"
check "the refused up left the lab alone" ping_from "$a" client 10.77.0.1

check "a second lab beside it, other addresses" "$lab" up --name "$b" \
    --server4 192.0.2.1 --client4 192.0.2.2 --server6 2001:db8::1 --client6 2001:db8::2
check "second lab, IPv4" ping_from "$b" client 192.0.2.1
check "second lab, IPv6" ping_from "$b" client 2001:db8::1
check "list has both" test "$(names | tr '\n' ' ')" = "$a $b "

("$lab" exec --name "$a" server sleep 1000 &)
("$lab" exec --name "$a" client bash -c 'trap "" TERM; while :; do sleep 1000; done' &)
until [[ -n $(ip netns pids "lab-$a-server") ]] && ip netns pids "lab-$a-client" | grep -q .; do :; done
left=$(ip netns pids "lab-$a-server" && ip netns pids "lab-$a-client")
check "down with processes left" "$lab" down --name "$a"
check "down ended the processes" all_ended "$left"
check "down leaves nothing" gone "$a"
check "the other lab still works" ping_from "$b" client 192.0.2.1
check "down of the second" "$lab" down --name "$b"
check "down leaves nothing of the second" gone "$b"
check "down again is no error" "$lab" down --name "$b"
check "exec without a lab is refused" refused 1 "there is no lab" "$lab" exec --name "$a" server true

# `up` is interrupted while it runs one of its tools: a stand-in, found first in
# PATH, sends the signal and then becomes the tool.
for tool in ip clang bpftool ping; do
    c=$prefix-c$tool
    real=$(PATH=$PATH:/usr/sbin command -v $tool)
    # shellcheck disable=SC2016 # for the stand-in
    printf '#!/bin/sh\nkill -TERM "$(cat %s/pid)"\nexec %s "$@"\n' "$scratch" "$real" \
        >"$scratch/$tool"
    chmod +x "$scratch/$tool"
    status=0
    # shellcheck disable=SC2016 # for the inner shell
    PATH=$scratch:$PATH bash -c 'echo $$ >"$0/pid"; exec "$1" up --name "$2"' \
        "$scratch" "$lab" "$c" >"$scratch/output" 2>&1 || status=$?
    rm "$scratch/$tool"
    check "up interrupted in $tool ends" test $status -eq 143
    check "up interrupted in $tool leaves nothing" gone "$c"
done

check "up that fails half-way" refused 1 "cannot give" \
    "$lab" up --name "$a" --server4 10.77.0.1 --client6 not-an-address
check "up that failed leaves nothing" gone "$a"
check "ends in different networks" refused 1 "cannot reach" \
    "$lab" up --name "$a" --client4 10.99.0.2
check "which leaves nothing" gone "$a"

check "no command" refused 2 "say what to do" "$lab"
check "unknown command" refused 2 "unknown command" "$lab" upp
check "unknown option" refused 2 "unknown option" "$lab" up --names x
check "option without value" refused 2 "needs a value" "$lab" up --name
check "bad name" refused 2 "bad name" "$lab" up --name ../x
check "address for down" refused 2 "belongs to up" "$lab" down --server4 10.0.0.1
check "left-over argument" refused 2 "takes no argument" "$lab" up x
check "unknown role" refused 2 "must be server or client" "$lab" exec router true
check "no command to run" refused 2 "needs a command" "$lab" exec server
check "help" "$lab" --help

end_checks
