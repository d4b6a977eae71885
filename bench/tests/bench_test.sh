#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Tests that bmc-bench measures something and cleans up; what the figures are is not
# tested. Usage: bench_test.sh REPOSITORY BUILD

set -euo pipefail
# shellcheck source=tests/harness/check.sh
source "$1/tests/harness/check.sh"

bench=$2/bin/bmc-bench
trap 'rm -rf "$scratch"' EXIT

if [[ $(nproc) -lt 2 ]] || ! taskset -c 0 true 2>/dev/null || ! taskset -c 1 true 2>/dev/null; then
    echo "SKIP: it takes CPUs 0 and 1"
    exit 0
fi

# nothing_left PID: of the bmc-bench that had this pid.
nothing_left() {
    ! ip netns list | grep "lab-test-$1-" && ! ls -d /sys/fs/bpf/bmc/bench-"$1"-* 2>/dev/null
}

small=(--rounds 1 --turn-seconds 0.05 --warm-up-seconds 0.05 --keys 1000)

check "rounds that are no number" refused 2 "--rounds" "$bench" --rounds 1x
check "one CPU for both" refused 2 "a CPU each" "$bench" --client-cpu 0
check "a CPU that is not there" refused 2 "cannot run on CPU 1023" "$bench" --client-cpu 1023
check "unknown experiment" refused 2 "no experiment fun" "$bench" --only fun
check "unknown option" refused 2 "--round" "$bench" --round 5
check "memory that is no size" refused 2 "12x" "$bench" --memory 12x
check "a report that cannot be written" refused 2 "cannot write" "$bench" --json /nowhere/report
check "no report to draw from" refused 1 "no report" "$bench" --from "$bench"
check "help" "$bench" --help
check "list" "$bench" --list

# The pid is that of the program, so that what it leaves could be told from others'.
"$bench" --full "${small[@]}" --memory 16M --json "$scratch/report" --plots "$scratch/plots" \
    >"$scratch/table" 2>"$scratch/progress" &
pid=$!
status=0
wait $pid || status=$?
check "a small run of everything ($(tail -n 1 "$scratch/progress"))" test $status -eq 0
check "its ratios" jq -e '
    .complete and .machine.kernel != ""
    and (.ratios | has("hits_per_core_vs_stock") and has("hits_vs_echo")
        and has("miss_latency_added") and has("mix_80_20") and has("items_per_gib")
        and has("set_throughput_with_clocks"))
    and all(.ratios[]; .spread.rounds == 1 and (.spread.median | type) == "number"
        and .spread.interval_95 == null and has("target") and .unit != "" and .what != ""
        and .value == null and .reason != null)' "$scratch/report"
check "figures of every round" jq -e '
    all(.experiments | .hits, .misses, .mix, .sets;
        (.rounds | length) > 0 and all(.rounds[]; .operations > 0 and .server_cpu_s > 0
            and (.turns | length) > 0))
    and .experiments.items.rounds[0].entries > 0
    and (.experiments.cache_size.sizes | length) == 7
    and (.experiments.latency.rates | length) > 0
    and (.experiments.programs.hits.programs | length) > 0' "$scratch/report"
check "the table" grep -q "hits_per_core_vs_stock.*none" "$scratch/table"
check "progress" grep -q "hits: round 1 of 1, about .* left" "$scratch/progress"
for plot in hits workloads cache_size latency; do
    check "plot $plot" grep -q "<svg" "$scratch/plots/$plot.svg"
done
check "table and plots from a report" "$bench" --from "$scratch/report" --plots "$scratch/again"
check "nothing but plots" test "$(find "$scratch/again" -type f | wc -l)" -eq 4
check "it leaves nothing" nothing_left $pid

# Interrupted while a server is loaded: everything is up then.
for signal in INT TERM; do
    "$bench" --only sets --rounds 1000 --turn-seconds 0.1 --keys 1000 --memory 16M \
        >"$scratch/interrupted" 2>&1 &
    pid=$!
    until grep -q "round 1 of" "$scratch/interrupted" &&
        [[ -n $(ip netns pids "lab-test-$pid-1-client" 2>/dev/null) ]] || ! kill -0 $pid 2>/dev/null; do
        sleep 0.1
    done
    # Background jobs of a script ignore SIGINT until the program says otherwise.
    kill -$signal $pid || true
    status=0
    wait $pid || status=$?
    check "an interrupted run says so ($status)" \
        test $status -eq $((128 + $(kill -l $signal)))
    check "it leaves nothing" nothing_left $pid
done

end_checks
