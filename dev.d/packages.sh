# shellcheck shell=bash
# Operating-system packages from Debian, by the lists packages-*.txt.

# The names of a list, without comments.
package_list() {
	local list
	for list in "$@"; do
		sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$TOP/dev.d/packages-$list.txt"
	done
}

# Those of the lists that are not installed, on one line. What an installed
# package provides counts: nodejs from elsewhere brings npm along.
packages_missing() {
	local wanted have
	wanted=$(package_list "$@" | sort -u)
	have=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' |
	    sed -n 's/^installed //p' | tr ',' '\n' |
	    sed -e 's/ *(.*//' -e 's/^ *//' | sort -u)
	comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$have") |
	    tr '\n' ' ' | sed 's/ $//'
}

# Some Debian packages would start servers of their own: they must not. Prints
# nothing; both are undone by packages_after.
packages_before() {
	POLICY=/usr/sbin/policy-rc.d
	POLICY_OURS=no
	MAIN_CLUSTER=/etc/postgresql/15/main
	MAIN_CLUSTER_OURS=no
	if [ ! -e "$POLICY" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$POLICY"
		chmod 755 "$POLICY"
		POLICY_OURS=yes
	fi
	[ -e "$MAIN_CLUSTER" ] || MAIN_CLUSTER_OURS=yes
}

packages_after() {
	if [ "$POLICY_OURS" = yes ]; then
		rm -f "$POLICY"
	fi
	if [ "$MAIN_CLUSTER_OURS" = yes ] && [ -e "$MAIN_CLUSTER" ]; then
		pg_dropcluster 15 main || true
	fi
	local unit
	for unit in redis-server nginx haproxy; do
		[[ " $1 " == *" $unit "* ]] || continue
		[ -d /run/systemd/system ] || continue
		systemctl disable "$unit" || true
	done
}

# packages_ensure LIST...: installs what is missing; no apt call otherwise.
packages_ensure() {
	local missing rc=0
	command -v dpkg-query >/dev/null ||
	    die "this is not a Debian system: install by hand what" \
	    "dev.d/packages-*.txt name, then use --unprivileged"
	missing=$(packages_missing "$@")
	if [ -z "$missing" ]; then
		say "all installed"
		return
	fi
	if [ "$UNPRIVILEGED" = yes ] || ! is_root; then
		die "missing packages (ask an administrator): apt-get install $missing"
	fi
	say "installing: $missing"
	export DEBIAN_FRONTEND=noninteractive
	packages_before
	apt-get update || rc=$?
	# shellcheck disable=SC2086
	apt-get install -y --no-install-recommends $missing && rc=0 || rc=$?
	packages_after "$missing"
	return "$rc"
}
