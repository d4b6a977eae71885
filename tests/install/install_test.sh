#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Installs into an empty folder, then runs what was installed in a mount namespace in
# which that lies over /usr. Usage: install_test.sh REPOSITORY BUILD-FOLDER

set -euo pipefail
if [[ $EUID -ne 0 ]]; then
    echo "SKIP: a mount namespace needs root"
    [[ ${CI:-} != true ]]
    exit 77
fi
# shellcheck source=tests/harness/check.sh
source "$1/tests/harness/check.sh"
trap 'rm -rf "$scratch"' EXIT

build=$2
root=$scratch/root
expected="
/etc/bmc/default.toml
/etc/default/memcached-sr
/usr/bin/memcached-sr
/usr/lib/systemd/system/bmc@.service
/usr/lib/systemd/system/memcached-sr@.service
/usr/sbin/bmc
/usr/share/bash-completion/completions/bmc
/usr/share/bmc/grafana/bmc.json
/usr/share/doc/bmc/CHANGELOG.md
/usr/share/doc/bmc/README.md
/usr/share/doc/bmc/copyright
/usr/share/doc/memcached-sr/README.md
/usr/share/doc/memcached-sr/copyright
/usr/share/doc/memcached-sr/copyright.memcached
/usr/share/man/man1/memcached-sr.1
/usr/share/man/man8/bmc.8
"

install() { DESTDIR=$root cmake --install "$build" --prefix /usr; }
files() { find "$root" ! -type d -printf '/%P\n' | sort; }
# Folders and files that others may not read, or may write to.
wrong_modes() { find "$root" -mindepth 1 ! -perm -u=r,g=r,o=r -o -perm /g=w,o=w; }

# installed COMMAND...: with what was installed lying over /usr.
installed() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount sh -c 'mount -t overlay -o "lowerdir=$0/usr:/usr" overlay /usr && exec "$@"' \
        "$root" "$@"
}
prints() { [[ $("${@:2}" 2>&1 | tee /dev/stderr) == *"$1"* ]]; }

check "cmake --install" install
check "which installs what it should and nothing else" \
    diff <(echo "$expected" | sed '/^$/d') <(files)
check "with the usual modes" test -z "$(wrong_modes)"
echo '# mine' >"$root/etc/bmc/default.toml"
check "a second time" install
check "which leaves the configuration alone" grep -qx '# mine' "$root/etc/bmc/default.toml"

version=$("$build/bin/bmc" version)
check "bmc version" prints "$version" installed bmc version
check "memcached-sr -V" prints "memcached 1" installed memcached-sr -V
check "manual page bmc(8)" prints /usr/share/man/man8/bmc.8 installed man -w 8 bmc
check "manual page memcached-sr(1)" prints /usr/share/man/man1/memcached-sr.1 \
    installed man -w 1 memcached-sr
# It fails where a unit cannot work, and only speaks of directives that it does not know.
check "units" quiet installed systemd-analyze --man=yes verify \
    bmc@default.service memcached-sr@default.service

end_checks
