#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes the Debian packages and tries them in a chroot with nothing but Debian 12 and
# what they depend on: first with no systemd running, then under a systemd of its own,
# in a lab, with a client. Usage: packages_test.sh REPOSITORY BUILD-FOLDER

set -euo pipefail
skip() {
    echo "SKIP: $*"
    exit 77
}
[[ $EUID -eq 0 ]] || skip "a chroot needs root"
# shellcheck disable=SC2016 # for apt-get
mirror=$(apt-get indextargets --format '$(SITE)' "Created-By: Packages" "Codename: bookworm" \
    "Origin: Debian" | head -n 1)
[[ -n $mirror ]] || skip "no mirror of Debian 12 in apt's sources"
curl --silent --fail --location --max-time 20 --output /dev/null "$mirror/dists/bookworm/InRelease" ||
    skip "the mirror $mirror cannot be reached"
for tool in mmdebstrap cpack; do
    command -v "$tool" >/dev/null || skip "$tool is missing; run tools/setup"
done
# shellcheck source=tests/harness/check.sh
source "$1/tests/harness/check.sh"

build=$2
lab=$1/tools/lab
name=packages$$
root=$scratch/root
container=""

# inside COMMAND...: in the chroot, and once that runs, under its systemd.
inside() {
    if [[ -n $container ]]; then
        nsenter --target "$container" --all --root --wd env -i "${environment[@]}" "$@" </dev/null
    else
        unshare --mount --net --pid --fork --kill-child "$here/in_chroot" "$root" "$@" </dev/null
    fi
}
environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    DEBIAN_FRONTEND=noninteractive container=chroot)
here=$1/tests/install

shut_down() {
    [[ -z $container ]] || kill -KILL "$container" 2>/dev/null || true
    container=""
}
cleanup() {
    shut_down
    "$lab" down --name "$name"
    rm -rf --one-file-system "$scratch"
}
trap cleanup EXIT
trap 'exit 143' TERM INT HUP

# until_true COMMAND...: waits for it, 60 s at most.
until_true() {
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "not in 60 s: $*"
    "$@"
}
prints() { [[ $("${@:2}" 2>&1 | tee /dev/stderr) == *"$1"* ]]; }
fails() { ! "$@"; }

# All files with their owners and modes, save what dpkg keeps for itself and logs,
# and backups of the files of users.
files() {
    find "$root" -xdev \( -path "$root/var/lib/dpkg" -o -path "$root/var/log" -o \
        -path "$root/var/cache" -o -path "$root/tmp" -o -path "$root/debs" -o \
        -path "$root/var/lib/systemd" -o -path "$root/run" \) -prune -o \
        ! -path "$root/etc/*-" ! -path "$root/etc/.pwd.lock" ! -path "$root/etc/machine-id" \
        -printf '%P %M %u %g\n' | sort
}
users() { cat "$root/etc/passwd" "$root/etc/group"; }
nothing_left() {
    diff "$scratch/files" <(files) && diff "$scratch/users" <(users) &&
        fails inside dpkg-query -W bmc memcached-sr
}
install_both() { inside sh -c 'dpkg -i /debs/*.deb'; }

# shellcheck disable=SC2016 # for the inner shell
check "cpack" sh -c 'cd "$0" && cpack -G DEB -B "$1"' "$build" "$scratch/debs"
depends=$(for deb in "$scratch"/debs/*.deb; do dpkg-deb -f "$deb" Depends; echo; done |
    sed 's/([^)]*)//g; s/|[^,]*//g; s/ //g' | tr '\n' ',' | sed 's/,,*/,/g; s/,$//')
echo "depends: $depends"
check "a chroot of Debian 12" mmdebstrap --variant=apt --components=main \
    --include="systemd,iproute2,$depends" bookworm "$root" "$mirror"
[[ $failures -eq 0 ]] || end_checks
mkdir "$root/debs"
cp "$scratch"/debs/*.deb "$root/debs"
files >"$scratch/files"
users >"$scratch/users"

# Without systemd.
check "install" install_both
check "dpkg --audit" quiet inside dpkg --audit
check "bmc version" prints "bmc " inside bmc version
check "memcached-sr -V" prints "memcached 1" inside memcached-sr -V
check "its user" grep -q '^memcached-sr:' "$root/etc/passwd"
for command in $("$build/bin/bmc" --help | sed -n '/^Subcommands:/,/^$/ s/^  \([a-z]\+\) .*/\1/p'); do
    check "bmc $command --help" prints Usage inside bmc "$command" --help
done
check "attach and detach" inside sh -c 'ip link add veth0 type veth peer name veth1 &&
    ip address add 192.0.2.1/24 dev veth0 && ip link set veth0 up &&
    bmc attach --interface veth0 --memory 1M && bmc stats && bmc detach && ! ls /sys/fs/bpf/bmc'
echo '# mine' >>"$root/etc/bmc/default.toml"
check "install again" install_both
check "which leaves the configuration alone" grep -qx '# mine' "$root/etc/bmc/default.toml"
check "remove" inside dpkg --remove bmc memcached-sr
check "which leaves the configuration alone" grep -qx '# mine' "$root/etc/bmc/default.toml"
touch "$root/etc/bmc/other.toml" "$root/etc/default/memcached-sr.other"
check "purge" inside dpkg --purge bmc memcached-sr
check "which leaves nothing" nothing_left

# Under systemd.
check "a lab" "$lab" up --name "$name"
"$lab" exec --name "$name" server unshare --mount --pid --uts --ipc --cgroup --fork --kill-child \
    "$here/in_chroot" "$root" /lib/systemd/systemd --unit=multi-user.target \
    </dev/null >"$scratch/systemd" 2>&1 &
parent=$!
until_true pgrep --parent "$parent"
container=$(pgrep --parent "$parent")
booted() { [[ $(inside systemctl is-system-running) =~ running|degraded ]]; }
check "systemd runs" until_true booted
[[ $failures -eq 0 ]] || end_checks

has_origin() { inside bmc stats --json | jq -e .origin_alive; }
hits() { inside bmc stats --json | jq .counters.hit; }
# From the client: a value by TCP, then gets by UDP until the kernel answers.
# shellcheck disable=SC2016 # for the inner shell
client() {
    "$lab" exec --name "$name" client bash -c '
        exec 3<>/dev/tcp/10.77.0.1/11211
        printf "set key 0 0 5\r\nvalue\r\n" >&3 && read -r -t 5 stored <&3
        for i in 1 2 3; do
            exec 4<>/dev/udp/10.77.0.1/11211
            printf "\0\1\0\0\0\1\0\0get key\r\n" >&4
            read -r -t 5 reply <&4
            echo "$stored $reply"
        done'
}
answers() {
    local before
    before=$(hits)
    client && [[ $(hits) -gt $before ]]
}
attached() { inside test -e /sys/fs/bpf/bmc/default/instance; }
status_is() { prints "$2" inside systemctl show --property=StatusText --value "$1"; }
active() { inside systemctl is-active "$@"; }
pid_of() { inside systemctl show --property=MainPID --value "$1"; }
user_of() { inside sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$(pid_of "$1")/status"; }
journal() { inside journalctl --no-pager -u bmc@default -u memcached-sr@default || true; }

check "install under systemd" install_both
check "which starts nothing" fails active bmc@default memcached-sr@default
printf 'interface = ["veth0"]\nmemory = "4M"\n' >"$root/etc/bmc/default.toml"
check "start" inside systemctl enable --now bmc@default memcached-sr@default
check "both run" active bmc@default memcached-sr@default
check "memcached-sr is the origin" until_true has_origin
check "of which systemd is told" until_true status_is bmc@default \
    "memcached-sr has pid $(pid_of memcached-sr@default)"
check "as its user" test "$(user_of memcached-sr@default)" = "$(inside id -u memcached-sr)"
check "the kernel answers a client" answers
programs() { inside ls -i /sys/fs/bpf/bmc/default/programs; }
origin=$(pid_of memcached-sr@default)
before=$(programs)
check "upgrade" install_both
check "which changes the programs" test "$(programs)" != "$before"
check "and leaves memcached-sr alone" test "$(pid_of memcached-sr@default)" = "$origin"
check "the kernel answers on" answers
before=$(programs)
check "reload" inside systemctl reload bmc@default
check "which changes the programs" test "$(programs)" != "$before"
check "the kernel answers on" answers

check "stop bmc" inside systemctl stop bmc@default
check "which detaches" fails attached
check "memcached goes on" active memcached-sr@default
check "restart both" inside systemctl restart bmc@default memcached-sr@default
check "the origin is back" until_true has_origin
check "the kernel answers again" answers

origin=$(pid_of memcached-sr@default)
killed=$(pid_of bmc@default)
check "bmc is killed" inside systemctl kill --signal=KILL bmc@default
is_another() { [[ $(pid_of bmc@default) != 0 && $(pid_of bmc@default) != "$killed" ]]; }
check "the kernel still answers" answers
check "systemd starts it again" until_true is_another
check "which sees the origin" until_true status_is bmc@default "memcached-sr has pid $origin"
check "the kernel answers on" answers

echo "interface = [" >"$root/etc/bmc/other.toml"
check "a broken configuration does not start" fails inside systemctl start bmc@other
check "and says so" prints "/etc/bmc/other.toml" inside journalctl --no-pager -u bmc@other
check "stop" inside systemctl stop bmc@default memcached-sr@default
check "nothing attached" fails attached
check "attach by hand" inside bmc attach --interface veth0 --memory 1M --instance hand
check "start beside it fails" fails inside systemctl start bmc@default
check "remove" inside dpkg --remove bmc memcached-sr
check "which detaches all" fails inside ls /sys/fs/bpf/bmc
check "purge" inside dpkg --purge bmc memcached-sr
check "which leaves nothing" nothing_left

[[ $failures -eq 0 ]] || journal
end_checks
