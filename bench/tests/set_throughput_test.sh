#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Tests that bench/set_throughput measures something and cleans up; what the figures
# are is not tested. Usage: set_throughput_test.sh REPOSITORY BUILD

set -euo pipefail
# shellcheck source=tests/harness/check.sh
source "$1/tests/harness/check.sh"

bench=$1/bench/set_throughput
build=$2
name=settest$$
trap 'rm -rf "$scratch"' EXIT

if [[ $(nproc) -lt 2 ]] || ! taskset -c 0 true 2>/dev/null || ! taskset -c 1 true 2>/dev/null; then
    echo "SKIP: it takes CPUs 0 and 1"
    exit 0
fi

nothing_left() {
    ! ip netns list | grep "lab-$name-" && ! ls -d "/sys/fs/bpf/bmc/$name" 2>/dev/null
}

small=(--build "$build" --name "$name" --turns 2 --seconds 0.1 --keys 1000 --memory 16M)

check "rounds that are no number" refused 2 "from 1 to 1000" "$bench" --rounds 1x
check "one CPU for both" refused 2 "a CPU each" "$bench" --client-cpu 0
check "option without value" refused 2 "needs a value" "$bench" --json
check "unknown option" refused 2 "unknown argument" "$bench" --round 5
check "help" "$bench" --help

check "a small run" "$bench" "${small[@]}" --rounds 2 --json "$scratch/figures"
check "its figures" jq -e '
    (.rounds | length) == 4 and all(.rounds[]; .sets > 0 and .cpu_us_per_set > 0)
    and all(.plain, .clocks; .sets_per_s.median > 0 and .cpu_us_per_set.median > 0)
    and .set_throughput_with_clocks > 0 and .spread.interval_95 == null
    and .config.pipeline == 1 and .machine.kernel != ""' "$scratch/figures"
check "it leaves nothing" nothing_left

# Interrupted while a server is loaded: everything is up then.
"$bench" "${small[@]}" --rounds 1000 >"$scratch/interrupted" 2>&1 &
pid=$!
until [[ -n $(ip netns pids "lab-$name-client" 2>/dev/null) ]] || ! kill -0 $pid 2>/dev/null; do
    sleep 0.1
done
kill -TERM $pid || true
status=0
wait $pid || status=$?
check "an interrupted run says so" test $status -eq 143
check "it leaves nothing" nothing_left

end_checks
