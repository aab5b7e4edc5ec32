# shellcheck shell=bash
# The commands that build and run: up, down, restart, status, logs, migrate,
# demo, build, clean, version, service.

DETACH=no

# Takes the options that several commands share; the rest is left in REST.
parse_options() {
	REST=()
	while [ $# -gt 0 ]; do
		case $1 in
		--detach) DETACH=yes ;;
		--unprivileged) UNPRIVILEGED=yes ;;
		--asan) BUILD=build-asan ;;
		*) REST+=("$1") ;;
		esac
		shift
	done
}

no_more() {
	[ ${#REST[@]} -eq 0 ] || die "unknown option: ${REST[*]} (see ./dev --help)"
}

need_root() {
	is_root || [ "$UNPRIVILEGED" = yes ] || die \
	    "this needs root: it installs packages, and the server drops to a
     user of its own inside a chroot. Run it as root, or use
       ./dev up --unprivileged
     which takes what is installed already and runs all as you, without chroot
     and change of user: good for development, not for patients' data."
}

# ---- build -----------------------------------------------------------------
make_here() {
	local asan=
	[ "$BUILD" = build ] || asan=1
	mkdir -p "$TOP/$BUILD"
	flock -o "$TOP/$BUILD/.lock" \
	    make -C "$TOP" --no-print-directory -j"$(nproc)" ASAN=$asan "$@"
}

cmd_build() {
	parse_options "$@"
	no_more
	need_root
	steps 3
	steps_build run build
	say "built $BUILD/kore/kore, $BUILD/eleusis.so, $BUILD/eleusisctl"
}

# steps_build PACKAGE-LIST...: three steps, from packages to binaries.
steps_build() {
	step "Packages of the operating system" packages \
	    "check the network and apt's sources, then run the same command again" \
	    packages_ensure "$@"
	step "Kore $(. "$TOP/dev.d/kore.env" && echo "$KORE_VERSION"), patched" kore \
	    "offline? KORE_DEB=FILE or KORE_SOURCE=DIR supply the source" \
	    make_here kore
	step "Module and eleusisctl" build \
	    "the compiler's message above names the line to mend" \
	    make_here all
}

# ---- up --------------------------------------------------------------------
cmd_up() {
	parse_options "$@"
	no_more
	need_root
	if server_running; then
		instance_load
		say "already up: $ELEUSIS_URL (./dev status, ./dev down)"
		return
	fi
	steps 9
	steps_build run services build
	steps_instance
	instance_load
	banner
	[ "$DETACH" = yes ] || foreground
}

# Six steps, from keys to an answering server.
steps_instance() {
	step "TLS certificate for localhost" certificate \
	    "delete cert/*.pem and cert/*.key, then run the same command again" \
	    certificate_make
	step "Users, chroot and keys" prepare \
	    "see the message above" instance_prepare
	step "PostgreSQL" postgres \
	    "see $VAR/log/postgresql.log" pg_start
	step "Redis" redis "see $VAR/log/redis.log" redis_start
	step "Database: roles, migrations, administrator" database \
	    "mend what is named above; finished migrations are not repeated" \
	    database_setup
	step "Server" server \
	    "the log tells why: $SERVER_LOG" server_start
}

banner() {
	printf '\n%s is up.\n' "$ELEUSIS_URL"
	printf '  CA      cert/ca.pem   (curl --cacert cert/ca.pem %s/health/ready)\n' \
	    "$ELEUSIS_URL"
	printf '  log     ./dev logs -f\n'
	printf '  stop    ./dev down\n'
	if [ -s "$RUN/first-admin" ]; then
		printf '\n'
		cat "$RUN/first-admin"
		rm -f "$RUN/first-admin"
	fi
	printf '\n'
}

# Follows the log; Ctrl-C, or the end of the server, ends all.
foreground() {
	local tail_pid
	trap 'say ""; foreground_end' INT TERM
	tail -n 0 -f "$SERVER_LOG" --pid="$(server_pid)" &
	tail_pid=$!
	wait "$tail_pid" || true
	foreground_end
}

foreground_end() {
	trap - INT TERM
	kill "$tail_pid" 2>/dev/null || true
	cmd_down
	exit 0
}

# ---- the others ------------------------------------------------------------
cmd_down() {
	local what
	for what in server redis pg; do
		if "${what}_running"; then
			printf 'stopping %s … ' "${what/pg/PostgreSQL}"
			"${what}_stop"
			say ok
		fi
	done
}

cmd_restart() {
	cmd_service server restart
	say "restarted: $ELEUSIS_URL"
}

# What an instance was set up with counts, not what the caller has now.
cmd_service() {
	local name=${1:-} action=${2:-}
	case $name in
	postgres) name=pg ;;
	server | redis) ;;
	*) die "service: server, postgres or redis?" ;;
	esac
	instance_load
	case $action in
	start | stop) "${name}_$action" ;;
	restart)
		"${name}_stop"
		"${name}_start"
		;;
	*) die "service $name: start, stop or restart?" ;;
	esac
}

status_line() {
	local title=$1 name=$2 where=$3
	if "${name}_running"; then
		printf '%-11s running   pid %-8s %s\n' "$title" "$("${name}_pid")" \
		    "$where"
	else
		printf '%-11s stopped\n' "$title"
		STATUS_RC=3
	fi
}

cmd_status() {
	STATUS_RC=0
	instance_load
	status_line server server "$ELEUSIS_URL"
	status_line PostgreSQL pg "127.0.0.1:$ELEUSIS_DB_PORT"
	status_line Redis redis "127.0.0.1:$ELEUSIS_REDIS_PORT"
	if server_running; then
		printf '%-11s %s\n' ready "$(server_ready)"
	fi
	return "$STATUS_RC"
}

cmd_logs() {
	[ -e "$SERVER_LOG" ] || die "no log yet: $SERVER_LOG"
	case ${1:-} in
	-f) exec tail -n 100 -f "$SERVER_LOG" ;;
	'') cat "$SERVER_LOG" ;;
	*) die "logs: -f or nothing" ;;
	esac
}

cmd_migrate() {
	instance_load
	pg_running || die "PostgreSQL is not running: ./dev up"
	"$TOP/$BUILD/eleusisctl" migrate "$@"
}

cmd_demo() {
	instance_load
	server_running || die "the server is not running: ./dev up --detach"
	if is_root; then
		steps 1
		step "Packages for the demonstration" packages-demo \
		    "check the network and apt's sources" packages_ensure demo
	fi
	export ELEUSIS_CTL=$TOP/$BUILD/eleusisctl
	exec /usr/bin/env python3 "$TOP/dev.d/demo.py" "$@"
}

# Stops one instance and forgets where its PostgreSQL keeps the data.
clean_instance() {
	local real
	ELEUSIS_VAR=$1
	instance_paths
	cmd_down
	if [ -L "$VAR/pg" ]; then
		real=$(readlink -f "$VAR/pg")
		[[ $real != /var/lib/eleusis-dev/?* ]] || rm -rf "$real"
	fi
}

cmd_clean() {
	local answer=${1:-} here=$VAR name
	if [ "$answer" != --yes ]; then
		printf 'Delete the build, the certificate and all data in %s? [y/N] ' \
		    "$here"
		read -r answer || answer=
		[[ $answer == [yY]* ]] || die "nothing deleted"
	fi
	for name in test test-asan bench; do
		clean_instance "$TOP/var/$name"
	done
	clean_instance "$here"
	find "$CERT" -mindepth 1 -maxdepth 1 ! -name README.md \
	    -exec rm -rf {} +
	if [ -d "$here" ]; then
		find "$here" -mindepth 1 -maxdepth 1 ! -path "$ELEUSIS_CACHE" \
		    -exec rm -rf {} +
	fi
	rm -rf "$TOP/build" "$TOP/build-asan"
}

cmd_version() {
	# shellcheck source=dev.d/kore.env
	. "$TOP/dev.d/kore.env"
	if [ -x "$TOP/build/eleusisctl" ]; then
		"$TOP/build/eleusisctl" version
	else
		say "eleusis: not built"
	fi
	say "kore $KORE_VERSION with $(find "$TOP/patches/kore" \
	    -name '*.patch' 2>/dev/null | wc -l) patches"
}
