#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Tests of tools/demo. Usage: demo_test.sh REPOSITORY, which has a build in
# build/release.

set -euo pipefail
# shellcheck source=tests/harness/check.sh
source "$1/tests/harness/check.sh"

demo=$1/tools/demo
name=demotest$$
pid=""

cleanup() {
    [[ -z $pid ]] || { kill -TERM "$pid" 2>/dev/null && wait "$pid"; } || true
    rm -rf "$scratch" "$1/build/demo-$name"
}
# shellcheck disable=SC2064 # the repository is known now
trap "cleanup '$1'" EXIT

nothing_left() {
    ! ip netns list | grep "lab-$name-" && ! ls -d "/sys/fs/bpf/bmc/$name" 2>/dev/null &&
        ! grep -lsz "demo-${name}[/]" /proc/[0-9]*/cmdline
}

check "seconds that are no number" refused 2 "from 1 to 9999" "$demo" --seconds 1s
check "no seconds at all" refused 2 "from 1 to 9999" "$demo" --seconds 0
check "option without value" refused 2 "needs a value" "$demo" --json
check "unknown option" refused 2 "unknown argument" "$demo" --second 5
check "bad name" refused 2 "bad name" "$demo" --name a/b
check "help" "$demo" --help

check "a run of one second" "$demo" --name "$name" --seconds 1 --json "$scratch/figures"
check "its figures" jq -e '
    all(.requests, .baseline_requests, .ops_per_s, .baseline_ops_per_s, .p50_us, .baseline_p50_us,
        .p99_us, .baseline_p99_us; . > 0)
    and .wrong == 0 and .baseline_wrong == 0 and .baseline_kernel == 0
    and .kernel > .requests / 2
    and .kernel + .origin + .lost >= .requests
    and .baseline_origin + .baseline_lost >= .baseline_requests' "$scratch/figures"
check "it leaves nothing" nothing_left

# Interrupted while the second load runs: everything is up then.
"$demo" --name "$name" --seconds 5 >"$scratch/first" 2>&1 &
pid=$!
until [[ -e /sys/fs/bpf/bmc/$name && -n $(ip netns pids "lab-$name-client" 2>/dev/null) ]] ||
    ! kill -0 $pid 2>/dev/null; do
    sleep 0.1
done
kill -TERM $pid || true
status=0
wait $pid || status=$?
pid=""
check "an interrupted run says so" test $status -eq 143
check "it leaves nothing" nothing_left

end_checks
