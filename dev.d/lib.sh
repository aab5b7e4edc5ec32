# shellcheck shell=bash
# Talking to the person at the terminal, and running steps.
#
# A step's output goes to a log of its own; the terminal shows one line for
# it. When it fails: which step, the end of its log, and what to do about it.
# A step runs in a subshell, so it hands results on through files only. Servers
# started in a step must not keep the lock of the tests (instance_lock).

say() {
	printf '%s\n' "$*"
}

die() {
	printf 'dev: %s\n' "$*" >&2
	exit 1
}

STEP_NO=0
STEP_ALL=0

# steps COUNT: how many step calls will follow.
steps() {
	STEP_NO=0
	STEP_ALL=$1
	mkdir -p "$VAR/log"
}

# step TITLE LOGNAME HINT COMMAND [ARG...]
# Not to be called in a condition: bash would then ignore errors inside.
step() {
	local title=$1 log="$VAR/log/dev-$2.log" hint=$3 began=$SECONDS rc
	shift 3
	STEP_NO=$((STEP_NO + 1))
	printf '[%d/%d] %s … ' "$STEP_NO" "$STEP_ALL" "$title"
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null 9>&-
	rc=$?
	set -e
	if [ "$rc" -eq 0 ]; then
		printf 'ok (%d s)\n' $((SECONDS - began))
		return
	fi
	printf 'FAILED\n'
	{
		printf '\nStep "%s" failed with status %d. The end of %s:\n\n' \
		    "$title" "$rc" "$log"
		tail -n 20 "$log" | sed 's/^/    /'
		printf '\nWhat to do: %s\n' "$hint"
	} >&2
	exit 1
}

is_root() {
	[ "$(id -u)" -eq 0 ]
}

# as_user USER COMMAND [ARG...]: drops to that user when root, else runs as is.
as_user() {
	local user=$1
	shift
	if is_root; then
		(cd / && exec setpriv --reuid="$user" --regid="$(id -g "$user")" \
		    --init-groups "$@")
	else
		"$@"
	fi
}

# True when pid is alive and runs a program of that name.
pid_runs() {
	local pid=$1 name=$2 exe
	[ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
	exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 1
	exe=${exe% (deleted)}
	[[ ${exe##*/} == "$name" ]]
}

# stop_pid PID SIGNAL SECONDS: asks, waits, and at last kills.
stop_pid() {
	local pid=$1 signal=$2 tries=$(($3 * 10))
	kill "-$signal" "$pid" 2>/dev/null || return 0
	while kill -0 "$pid" 2>/dev/null; do
		tries=$((tries - 1))
		if [ "$tries" -le 0 ]; then
			kill -KILL "$pid" 2>/dev/null || true
			return 0
		fi
		sleep 0.1
	done
}

# Is a TCP port of this machine in use (in any state but gone)?
port_busy() {
	grep -qi ":$(printf '%04X' "$1") " /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# A free port, outside the range that the kernel hands to clients.
port_pick() {
	local port
	for _ in $(seq 200); do
		port=$((20000 + RANDOM % 12000))
		if ! port_busy "$port"; then
			printf '%d\n' "$port"
			return
		fi
	done
	die "no free TCP port between 20000 and 32000"
}

# secret_file FILE: 192 random bits in it, 0600, unless it is there.
secret_file() {
	[ -s "$1" ] && return
	(
		umask 077
		head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$1.new"
	)
	mv "$1.new" "$1"
}
