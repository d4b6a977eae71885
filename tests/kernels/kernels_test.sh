#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Boots a kernel of Debian with what was built and runs tests on it; in_guest has the
# list. Usage: kernels_test.sh REPOSITORY BUILD-FOLDER SERIES

set -euo pipefail
repository=$1
build=$2
series=$3
skip() {
    echo "SKIP: $*"
    exit 77
}
command -v qemu-system-x86_64 >/dev/null || skip "qemu is missing; run tools/setup kernels"

# The guest has no compiler for what tools/lab loads.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 143' TERM INT HUP
clang -O2 -target bpf -c "$repository/tools/xdp_pass.bpf.c" -o "$scratch/xdp_pass.o"

files=("$repository"/tools/{lab,common.sh} "$repository/tests/kernels/in_guest"
    "$repository/tests/bpf/instructions.json" "$scratch/xdp_pass.o" "$build"/bpf/bmc.bpf*.o)
for program in bmc memcached-sr bpf_test lifecycle_test modes_test loader_attach_test; do
    files+=("$build/bin/$program")
done
options=()
for file in "${files[@]}"; do
    options+=(--file "$file")
done
"$repository/kernel-src/boot" "${options[@]}" "$series" \
    env XDP_PASS_OBJECT="$scratch/xdp_pass.o" bash "$repository/tests/kernels/in_guest" "$build"
