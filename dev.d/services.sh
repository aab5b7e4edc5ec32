# shellcheck shell=bash
# The instance's own PostgreSQL and Redis, on loopback ports with passwords.

PG_BIN=/usr/lib/postgresql/15/bin

# ---- PostgreSQL ------------------------------------------------------------
# It refuses to run as root, and its user must be able to reach its data: a
# checkout below a closed home directory gets it elsewhere, behind a link.
pg_base() {
	local base=$VAR/pg elsewhere
	if [ ! -e "$base" ]; then
		if ! is_root; then
			mkdir -m 700 "$base"
		elif as_user postgres test -x "$VAR"; then
			install -d -m 700 -o postgres -g postgres "$base"
		else
			elsewhere=/var/lib/eleusis-dev/$(printf '%s' "$VAR" |
			    sha256sum | cut -c1-16)
			install -d -m 755 /var/lib/eleusis-dev
			install -d -m 700 -o postgres -g postgres "$elsewhere"
			ln -s "$elsewhere" "$base"
		fi
	fi
	readlink -f "$base"
}

pg_pid() {
	head -n 1 "$VAR/pg/data/postmaster.pid" 2>/dev/null || true
}

pg_running() {
	pid_runs "$(pg_pid)" postgres
}

pg_init() {
	local base=$1
	[ -s "$base/data/PG_VERSION" ] && return
	rm -rf "$base/data" "$base/superuser.pw"
	if is_root; then
		install -m 600 -o postgres "$KEYS/pg_superuser.pw" "$base/superuser.pw"
	else
		install -m 600 "$KEYS/pg_superuser.pw" "$base/superuser.pw"
	fi
	as_user postgres "$PG_BIN/initdb" -D "$base/data" -U postgres \
	    --pwfile="$base/superuser.pw" --auth=scram-sha-256 \
	    --encoding=UTF8 --locale=C.UTF-8 --data-checksums
	rm -f "$base/superuser.pw"
	printf "\ninclude 'eleusis.conf'\n" >>"$base/data/postgresql.conf"
}

pg_configure() {
	local base=$1 PG_PORT
	# shellcheck source=/dev/null
	. "$RUN/ports.env"
	cat >"$base/data/eleusis.conf" <<-EOF
		# Written by ./dev at every start.
		listen_addresses = '127.0.0.1'
		port = $PG_PORT
		unix_socket_directories = ''
		password_encryption = 'scram-sha-256'
		max_connections = 100
		shared_buffers = 128MB
		fsync = on
		synchronous_commit = on
		timezone = 'UTC'
		log_timezone = 'UTC'
		logging_collector = off
		log_line_prefix = '%m [%p] %u@%d '
	EOF
	if is_root; then
		chown postgres: "$base/data/eleusis.conf"
	fi
}

# Its log is inherited, so that the user postgres needs no way to reach it.
pg_start() {
	local base
	pg_running && return
	base=$(pg_base)
	pg_init "$base"
	pg_configure "$base"
	if ! as_user postgres "$PG_BIN/pg_ctl" start -w -t 60 -D "$base/data" \
	    >>"$VAR/log/postgresql.log" 2>&1 </dev/null; then
		tail -n 15 "$VAR/log/postgresql.log"
		return 1
	fi
}

pg_stop() {
	pg_running || return 0
	stop_pid "$(pg_pid)" INT 30
}

# ---- Redis -----------------------------------------------------------------
# Nothing in it is worth a disk: sessions, counters and caches may be lost.
redis_pid() {
	cat "$RUN/redis.pid" 2>/dev/null || true
}

redis_running() {
	pid_runs "$(redis_pid)" redis-check-rdb ||
	    pid_runs "$(redis_pid)" redis-server
}

redis_conf() {
	local REDIS_PORT
	# shellcheck source=/dev/null
	. "$RUN/ports.env"
	cat <<-EOF
		bind 127.0.0.1
		port $REDIS_PORT
		daemonize no
		requirepass $(cat "$KEYS/redis.pw")
		save ""
		appendonly no
		maxmemory 256mb
		maxmemory-policy noeviction
		maxclients 1000
		tcp-keepalive 60
	EOF
}

redis_ping() {
	local REDIS_PORT
	# shellcheck source=/dev/null
	. "$RUN/ports.env"
	[ "$(REDISCLI_AUTH=$(cat "$KEYS/redis.pw") redis-cli -h 127.0.0.1 \
	    -p "$REDIS_PORT" ping 2>/dev/null)" = PONG ]
}

# The configuration comes on standard input: the password is in no file that
# Redis's user could read, nor on its command line.
redis_start() {
	redis_running && return
	redis_conf | as_user "$REDIS_USER" setsid redis-server - \
	    >>"$VAR/log/redis.log" 2>&1 &
	for _ in $(seq 100); do
		redis_ping && break
		sleep 0.1
	done
	redis_ping || {
		tail -n 15 "$VAR/log/redis.log"
		return 1
	}
	redis_find_pid >"$RUN/redis.pid"
}

# The server tells its own number: the shell's $! is that of a wrapper.
redis_find_pid() {
	local REDIS_PORT
	# shellcheck source=/dev/null
	. "$RUN/ports.env"
	REDISCLI_AUTH=$(cat "$KEYS/redis.pw") redis-cli -h 127.0.0.1 \
	    -p "$REDIS_PORT" info server | tr -d '\r' |
	    sed -n 's/^process_id://p'
}

redis_stop() {
	redis_running || return 0
	stop_pid "$(redis_pid)" TERM 10
	rm -f "$RUN/redis.pid"
}
