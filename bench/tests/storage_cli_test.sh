#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# storage_cli_test.sh BUILD: bmc-hitratio as a command: the same figures from the same
# seed, and one line for what it cannot do.

set -euo pipefail
program=$1/bin/bmc-hitratio
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

small=(--keys 2000 --only zipf_0.99 etc scan --percent "1,20" --ratios-only)
for run in 1 2; do
    "$program" "${small[@]}" --seed 5 --json "$scratch/$run.json" >"$scratch/$run.txt" 2>/dev/null
done
cmp "$scratch/1.json" "$scratch/2.json" || fail "two runs with one seed differ"
cmp "$scratch/1.txt" "$scratch/2.txt" || fail "two tables with one seed differ"
"$program" "${small[@]}" --seed 6 --json "$scratch/3.json" >/dev/null 2>&1
! cmp -s "$scratch/1.json" "$scratch/3.json" || fail "another seed gives the same"
jq -e '.scenarios | length == 3 and all(.sizes | length == 2)' "$scratch/1.json" >/dev/null ||
    fail "the report lacks scenarios or sizes"

"$program" --keys 1000 --only uniform --memory 1M,2M --ratios-only --json "$scratch/memory.json" \
    >/dev/null 2>&1
jq -e '.scenarios[0].sizes | map(.bytes) | .[0] < 1048576 and .[1] > 1048576 and .[1] < 2097152' \
    "$scratch/memory.json" >/dev/null || fail "buckets are no part of the memory"

# refused STATUS WORD ARGUMENT...: ends with STATUS and one line that has WORD.
refused() {
    local expected=$1 word=$2 status=0
    shift 2
    "$program" "$@" >"$scratch/out" 2>"$scratch/error" || status=$?
    [[ $status -eq $expected ]] || fail "$*: status $status, not $expected"
    [[ $(wc -l <"$scratch/error") -eq 1 ]] || fail "$*: not one line"
    grep -q -- "$word" "$scratch/error" || fail "$*: $(cat "$scratch/error")"
    [[ ! -s $scratch/out ]] || fail "$*: writes figures"
}

refused 2 nonsense --only nonsense
refused 2 percent --percent 0
refused 2 percent --percent 10 --buckets 10
refused 2 keys --keys 3
refused 2 keys --quick --keys 1000
refused 2 12Q --memory 12Q
refused 2 "too small" --memory 1K
refused 2 "too small" --items-memory 1K
refused 2 /nowhere --json /nowhere/report.json
refused 1 /nowhere --workloads /nowhere
echo "ok"
