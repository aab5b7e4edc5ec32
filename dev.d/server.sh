# shellcheck shell=bash
# The database's contents, and the server itself.

# ---- step: roles, migrations, first administrator --------------------------
database_setup() {
	local ctl=$TOP/$BUILD/eleusisctl
	instance_load
	PGPASSWORD=$(cat "$KEYS/pg_superuser.pw") \
	    ELEUSIS_OWNER_PASSWORD=$(cat "$KEYS/eleusis_owner.pw") \
	    ELEUSIS_SERVER_PASSWORD=$(cat "$KEYS/eleusis_server.pw") \
	    psql -X -q -w -h 127.0.0.1 -p "$ELEUSIS_DB_PORT" -U postgres \
	    -d postgres -f "$TOP/migrations/bootstrap.sql" >/dev/null
	cd "$TOP" || return
	"$ctl" migrate
	admin_first "$ctl"
}

# The one-time password must reach the person, not a log. The tests bring a
# password of their own.
admin_first() {
	local ctl=$1 out=$RUN/first-admin
	local -a options=(--email "${ADMIN_EMAIL:-admin@eleusis.localhost}"
		--name Administrator --role admin --first-admin)
	if [ -n "${ADMIN_PASSWORD_FILE:-}" ]; then
		options+=(--password-file "$ADMIN_PASSWORD_FILE")
	fi
	(umask 077 && "$ctl" user create "${options[@]}" >"$out.new")
	if [ -s "$out.new" ]; then
		mv "$out.new" "$out"
	else
		rm -f "$out.new"
	fi
}

# ---- the server ------------------------------------------------------------
server_pid() {
	cat "$PIDFILE" 2>/dev/null || true
}

server_running() {
	pid_runs "$(server_pid)" kore
}

# http_status URL: the status of the answer, 000 without one.
http_status() {
	curl --silent --output /dev/null --max-time 2 --cacert "$CERT/ca.pem" \
	    --noproxy '*' --write-out '%{http_code}' "$1" || true
}

server_ready() {
	# shellcheck disable=SC2153 # from run/env
	http_status "$ELEUSIS_URL/health/ready"
}

server_start() {
	instance_load
	server_running && return
	if port_busy "$ELEUSIS_PORT" && ! port_closing "$ELEUSIS_PORT"; then
		die "port $ELEUSIS_PORT is taken by another program" \
		    "(ELEUSIS_PORT=... picks another)"
	fi
	rm -f "$PIDFILE"
	cd "$TOP" || return
	# shellcheck disable=SC2086
	setsid "$TOP/$BUILD/kore/kore" -f $KORE_FLAGS -c "$TOP/kore.conf" \
	    >>"$SERVER_LOG" 2>&1 </dev/null &
	kore_wait "$!" "$ELEUSIS_URL/health/ready" "$SERVER_LOG"
}

# Only sockets on their way out are left: Kore can bind all the same.
port_closing() {
	! grep -qi ":$(printf '%04X' "$1") [0-9A-F:]* 0A" \
	    /proc/net/tcp /proc/net/tcp6
}

# kore_wait PID URL LOG: until URL answers 200.
kore_wait() {
	local pid=$1 url=$2 log=$3 code=000
	for _ in $(seq 150); do
		if ! kill -0 "$pid" 2>/dev/null; then
			say "the server ended; the last lines of $log:"
			tail -n 18 "$log"
			return 1
		fi
		code=$(http_status "$url")
		[ "$code" = 200 ] && return
		sleep 0.2
	done
	say "$url still answers $code; the last lines of $log:"
	tail -n 18 "$log"
	return 1
}

# Long enough for the drain: see the setting DRAIN_TIMEOUT_MS.
server_stop() {
	server_running || return 0
	stop_pid "$(server_pid)" TERM 40
	rm -f "$PIDFILE"
}
