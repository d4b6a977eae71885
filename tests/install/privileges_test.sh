#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Which capabilities and file permissions the commands take, as bmc(8) has them under
# PRIVILEGES. In a mount and a network namespace of its own.
# Usage: privileges_test.sh REPOSITORY BUILD-FOLDER

set -euo pipefail
if [[ $EUID -ne 0 ]]; then
    echo "SKIP: namespaces and capabilities need root"
    [[ ${CI:-} != true ]]
    exit 77
fi
[[ ${3:-} == inside ]] || exec unshare --mount --net "$0" "$1" "$2" inside
# shellcheck source=tests/harness/check.sh
source "$1/tests/harness/check.sh"

# Where another user can run them.
chmod 755 "$scratch"
cp "$2/bin/bmc" "$2/bin/memcached-sr" "$scratch"
PATH=$scratch:$PATH:/usr/sbin
pins=/sys/fs/bpf/bmc
child=""

cleanup() {
    [[ -z $child ]] || kill -KILL "$child" 2>/dev/null || true
    rm -rf "$scratch"
}
trap cleanup EXIT

umount /sys/fs/bpf 2>/dev/null || true
mount -t bpf -o mode=0711 bpf /sys/fs/bpf
ip link set lo up
ip link add veth0 type veth peer name veth1
ip address add 192.0.2.1/24 dev veth0
ip link set veth0 up
ip link set veth1 up

# become USER CAPABILITIES COMMAND...: with these, like +bpf,+net_admin, and no others;
# in place of this shell. `as` runs it in another.
become() {
    local change=()
    [[ $1 == root ]] || change=(--reuid "$1" --regid nogroup --clear-groups --ambient-caps "-all,$2")
    exec setpriv "${change[@]}" --bounding-set "-all,$2" --inh-caps "-all,$2" --no-new-privs "${@:3}"
}
as() { (become "$@"); }
fails() { ! "$@"; }
quietly() { "$@" >/dev/null; }
says() { [[ $("${@:2}" 2>&1 | tee "$scratch/said"; cat "$scratch/said" >&2) == *"$1"* ]]; }
attached() { [[ -e $pins/default/instance ]]; }
detached() { ! attached; }
attach() { as "$1" "$2" bmc attach --interface veth0 --memory 1M "${@:3}"; }
stats() { as "$1" "$2" bmc stats; }
detach() { as "$1" "$2" bmc detach; }

# until_true COMMAND...: waits for it, 20 s at most.
until_true() {
    local tries
    for ((tries = 0; tries < 1000; tries++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.02
    done
    echo "not in 20 s: $*"
    return 1
}
has_origin() { bmc stats --json | jq -e .origin_alive; }

run_and_end() {
    become "$1" "$2" bmc run --interface veth0 --memory 1M >"$scratch/run" 2>&1 &
    child=$!
    until_true grep -q "start the origin" "$scratch/run" && kill -TERM "$child" &&
        wait "$child" && detached
}

all=+bpf,+net_admin,+perfmon
for user in nobody root; do
    rm -rf "$pins"
    if [[ $user == nobody ]]; then
        check "$user cannot make the folder of pins" refused 1 "make the folder $pins" \
            attach "$user" "$all"
        install -d -o nobody -g nogroup -m 0700 "$pins"
    fi
    for way in "native tcx" "generic clsact" "tc tcx"; do
        check "$user, $way, attaches" attach "$user" "$all" --mode "${way% *}" --tc "${way#* }"
        check "$user, $way, upgrades" says "upgraded 'default'" attach "$user" "$all"
        check "$user reads without any" says "instance default" stats "$user" -bpf
        check "$user does not detach with CAP_BPF alone" refused 1 "CAP_BPF and CAP_NET_ADMIN" \
            detach "$user" +bpf
        check "$user detaches without CAP_PERFMON" detach "$user" +bpf,+net_admin
        check "which leaves nothing" detached
    done
    check "bmc run as $user" run_and_end "$user" "$all"
    for few in +net_admin,+perfmon +bpf,+perfmon +bpf,+net_admin; do
        check "$user with $few does not attach" refused 1 \
            "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN" attach "$user" "$few"
    done
done

# As the units have it: bmc as root without other capabilities, the origin with those
# to become another user. And both as one user without root, the origin without any.
origin() {
    become "$1" "$2" memcached-sr -U 11211 -l 192.0.2.1 -t 1 "${@:3}" \
        -o "bmc=$pins/default" >"$scratch/origin" 2>&1 &
    child=$!
    until_true has_origin || { cat "$scratch/origin"; return 1; }
}
belongs_to() { [[ $(ps -o user= -p "$child") == "$1" ]]; }
end_origin() {
    kill -TERM "$child"
    wait "$child" || true
    child=""
}
attach root "$all" >/dev/null
check "an origin started by root" origin root +setuid,+setgid -u nobody
check "is the user's that it was told" belongs_to nobody
end_origin
detach root "$all" >/dev/null
install -d -o nobody -g nogroup -m 0700 "$pins"
attach nobody "$all" >/dev/null
check "an origin without root and capabilities" origin nobody -bpf
end_origin

# Members of a group read, and can do nothing else.
detach nobody "$all" >/dev/null
rm -rf "$pins"
member() {
    setpriv --reuid nobody --regid nogroup --groups daemon --bounding-set -all \
        --inh-caps -all --no-new-privs "$@"
}
check "a group that root is no member of" refused 1 "CAP_CHOWN" attach root "$all" --group daemon
check "which leaves nothing" detached
check "attach for a group" attach root "$all,+chown" --group daemon --allow 10.0.0.0/8
for command in stats status dump "top --once"; do
    # shellcheck disable=SC2086 # an option of its own
    check "its member reads: $command" quietly member bmc $command --instance default
done
check "sees no origin" says "no origin" member bmc stats
check "does not list" refused 1 "name one with --instance" member bmc status
check "does not flush" refused 1 "ermi" member bmc flush
check "does not detach" refused 1 "CAP_BPF and CAP_NET_ADMIN" member bmc detach
check "does not take the lock" fails member flock --nonblock "$pins/default" true
check "does not take that of all instances" fails member flock --nonblock "$pins" true
# bpftool opens for writing.
check "does not write" says "Permission denied" member bpftool map show pinned "$pins/default/control"
check "others do not read" refused 1 "bmc attach --group" stats nobody -bpf
check "an origin started by root" origin root +setuid,+setgid -u nobody
sees_origin() { member bmc stats --json | jq -e .origin_alive; }
check "the member sees it" sees_origin
check "an upgrade without the group" says "upgraded" attach root "$all"
check "takes it back" refused 1 "bmc attach --group" member bmc stats
check "an upgrade with the group" says "upgraded" attach root "$all,+chown" --group daemon \
    --allow 10.0.0.0/8
for command in stats status dump "top --once"; do
    # shellcheck disable=SC2086 # an option of its own
    check "gives it again: $command" quietly member bmc $command --instance default
done
check "an upgrade that may not give it" refused 1 "CAP_CHOWN" attach root "$all" --group tty
check "leaves it" quietly member bmc stats
end_origin
detach root "$all" >/dev/null

install -d -o nobody -g nogroup -m 0700 "$pins"
attach nobody "$all" >/dev/null
check "root does not trust another's folder" refused 1 "belongs to user" bmc detach
detach nobody "$all" >/dev/null
chmod 0700 /sys/fs/bpf
check "the BPF file system closed to others" refused 1 "$pins" attach nobody "$all"

end_checks
