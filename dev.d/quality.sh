# shellcheck shell=bash
# The commands that check: test, lint, bench.

# A Python environment with exactly what tests/requirements.txt pins.
venv_ensure() {
	local venv=$TOP/var/venv python=/usr/bin/python3 want
	[ -x "$python" ] || python=python3
	want=$(sha256sum <"$TOP/tests/requirements.txt")
	[ "$(cat "$venv/.requirements" 2>/dev/null)" = "$want" ] && return
	rm -rf "$venv"
	"$python" -m venv "$venv"
	"$venv/bin/python" -m pip install --quiet --only-binary=:all: \
	    --disable-pip-version-check -r "$TOP/tests/requirements.txt"
	printf '%s\n' "$want" >"$venv/.requirements"
}

# node_ensure NAME OPTION...: exactly what the lock file of tests/NAME pins,
# into var/NAME; offline from then on.
node_ensure() {
	local dir=$TOP/var/$1 lock=$TOP/tests/$1 want
	shift
	want=$(cat "$lock"/package*.json | sha256sum)
	[ "$(cat "$dir/.lock" 2>/dev/null)" = "$want" ] && return
	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$lock"/package*.json "$dir"
	(cd "$dir" && npm ci --ignore-scripts --omit=optional --no-audit \
	    --no-fund "$@")
	printf '%s\n' "$want" >"$dir/.lock"
}

# The scanner of headers. Its scripts are not run: they would only fetch a list
# of hosts.
observatory_ensure() {
	node_ensure observatory --force
	printf '{}\n' \
	    >"$TOP/var/observatory/node_modules/@mdn/mdn-http-observatory/conf/hsts-preload.json"
}

# What builds and checks the pages, with exactly what the lock file pins. No
# scripts are run, and what is committed in assets/ needs none of it.
web_ensure() {
	local dir=$TOP/web want
	want=$(cat "$dir"/package*.json | sha256sum)
	[ "$(cat "$dir/node_modules/.lock" 2>/dev/null)" = "$want" ] && return
	(cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund)
	printf '%s\n' "$want" >"$dir/node_modules/.lock"
}

steps_python() {
	step "Packages for tests" packages-test \
	    "check the network and apt's sources" packages_ensure test
	step "Python environment" venv \
	    "check the network; ./dev clean starts afresh" venv_ensure
}

# Nothing of the caller's own instance may leak into that of the tests.
forget_instance() {
	local name
	for name in $(compgen -v); do
		case $name in
		ELEUSIS_CACHE | KORE_DEB | KORE_DEB_* | KORE_SOURCE | KORE_VERSION) ;;
		ELEUSIS_* | KORE_*) unset "$name" ;;
		esac
	done
}

# One run at a time: a second would take the first one's servers away. The lock
# belongs to this script and to pytest; steps close it, so no server keeps it.
instance_lock() {
	mkdir -p "$TOP/var"
	exec 9>"$TOP/var/$1.lock"
	flock -n 9 || die "var/$1 is in use by another run: wait for its end, or" \
	    "use another clone"
}

# private_instance NAME: an instance of its own under var/NAME, from nothing,
# whatever an earlier run left behind.
private_instance() {
	instance_lock "$1"
	forget_instance
	export ELEUSIS_VAR=$TOP/var/$1
	instance_paths
	cmd_down >/dev/null
	if [ -L "$VAR/pg" ]; then
		rm -rf "$(readlink -f "$VAR/pg")"
	fi
	rm -rf "$VAR"
	mkdir -p "$VAR/log"
	(umask 077 && mkdir -p "$KEYS")
	ELEUSIS_PORT=$(port_pick)
	ADMIN_PASSWORD_FILE=$KEYS/admin.pw
	secret_file "$ADMIN_PASSWORD_FILE"
	export ELEUSIS_PORT ADMIN_PASSWORD_FILE ELEUSIS_TEST_ENV=$RUN/env
	no_limits
	trap 'cmd_down >/dev/null' EXIT
}

# A test of the limits starts a server with settings of its own.
no_limits() {
	export ELEUSIS_RATE_AUTH=1000000 ELEUSIS_RATE_READ=100000000
	export ELEUSIS_RATE_WRITE=100000000 ELEUSIS_RATE_PREDICT=100000000
	export ELEUSIS_LOCKOUT_FREE=1000000 ELEUSIS_LOCKOUT_NETWORK_FREE=1000000
	export ELEUSIS_LOCKOUT_ALERT=1000000
	export ELEUSIS_RATE_EXPORT=100000000
}

# Hundreds of users log in during the tests: their hashes are cheap ones.
cheap_hashes() {
	export ELEUSIS_ARGON2_OPS=1 ELEUSIS_ARGON2_MEM_KIB=8192
}

# Tests wait for all workers to follow changes of the network rules and ends of
# sessions.
eager_workers() {
	export ELEUSIS_NETWORK_RULES_POLL_MS=100
	export ELEUSIS_SESSION_REVOCATION_POLL_MS=100
}

# The sanitizers need what the sandbox forbids: it is off in that build. Leaks
# are looked for when a process ends by itself.
asan_settings() {
	UNPRIVILEGED=yes
	export ASAN_OPTIONS="log_path=$VAR/log/asan:detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=0"
	export LSAN_OPTIONS="suppressions=$TOP/tests/lsan.supp:print_suppressions=0"
	export UBSAN_OPTIONS="log_path=$VAR/log/ubsan:print_stacktrace=1:halt_on_error=1"
}

sanitizer_reports() {
	local report found=0
	for report in "$VAR"/log/asan.* "$VAR"/log/ubsan.*; do
		[ -e "$report" ] || continue
		found=1
		say "== $report" >&2
		head -n 60 "$report" >&2
	done
	return "$found"
}

# Does any argument name a file, directory or test? Else all of tests/.
names_tests() {
	local arg
	for arg in "$@"; do
		[[ $arg != -* ]] && [ -e "${arg%%::*}" ] && return
	done
	return 1
}

# Told to end, bash would stop the servers at once and leave pytest running
# against nothing. So pytest is told, tidies up, and is waited for; a terminal's
# Ctrl-C reaches it by itself.
pytest_run() {
	local pid rc=0
	env --default-signal=INT,QUIT "$TOP/var/venv/bin/python" -m pytest "$@" <&0 &
	pid=$!
	trap : INT QUIT
	trap 'kill -INT "$pid" 2>/dev/null || true' TERM HUP
	wait "$pid" || rc=$?
	while kill -0 "$pid" 2>/dev/null; do
		rc=0
		wait "$pid" || rc=$?
	done
	trap - INT QUIT TERM HUP
	return "$rc"
}

cmd_test() {
	local rc=0
	parse_options "$@"
	need_root
	names_tests "${REST[@]}" || REST+=(tests)
	if [ "$BUILD" = build ]; then
		private_instance test
	else
		private_instance test-asan
		asan_settings
	fi
	cheap_hashes
	eager_workers
	steps 14
	packages_as_root steps_build run services build test
	step "Python environment" venv \
	    "check the network; ./dev clean starts afresh" venv_ensure
	step "Scanner of headers" observatory \
	    "check the network; ./dev clean starts afresh" observatory_ensure
	step "OpenID Connect provider" oidc-provider \
	    "check the network; ./dev clean starts afresh" \
	    node_ensure oidc-provider
	step "Tools of the pages" web \
	    "check the network; rm -r web/node_modules starts afresh" web_ensure
	step "Unit tests and tools" units \
	    "the compiler's message above names the line to mend" \
	    make_here units tools
	steps_instance
	instance_load
	export ELEUSIS_CTL=$TOP/$BUILD/eleusisctl
	pytest_run "${REST[@]}" || rc=$?
	if [ "$BUILD" != build ]; then
		cmd_down >/dev/null
		sanitizer_reports || rc=1
	fi
	return "$rc"
}

# The sanitizer build runs without the sandbox, not without root: packages
# may still be installed.
packages_as_root() {
	local asked=$UNPRIVILEGED
	if is_root; then
		UNPRIVILEGED=no
	fi
	"$@"
	UNPRIVILEGED=$asked
}

# ---- lint ------------------------------------------------------------------
lint_c() {
	local format=clang-format-14
	command -v "$format" >/dev/null || format=clang-format
	find src tests loadtest -name '*.c' -print0 |
	    xargs -0 -r "$format" --dry-run -Werror
}

lint_shell() {
	shellcheck -x -a dev
	shellcheck -x dev.d/fetch-kore dev.d/build-kore dev.d/install-packages \
	    docker/entrypoint docker/secrets docker/postgres-init.sh .ci/run
}

lint_python() {
	"$TOP/var/venv/bin/ruff" check .
	"$TOP/var/venv/bin/ruff" format --check .
}

# Types, layout, and that assets/ is what the sources build.
lint_web() {
	local fresh=$VAR/web
	rm -rf "$fresh"
	(cd web && npm run --silent check && node build.mjs "$fresh")
	diff -r -x README.md assets "$fresh"
}

cmd_lint() {
	parse_options "$@"
	no_more
	steps 7
	steps_python
	step "C: clang-format" lint-c "clang-format -i FILE" lint_c
	step "Shell: shellcheck" lint-shell "mend what is named above" lint_shell
	step "Python: ruff" lint-python \
	    "var/venv/bin/ruff check --fix . && var/venv/bin/ruff format ." \
	    lint_python
	step "Tools of the pages" web \
	    "check the network; rm -r web/node_modules starts afresh" web_ensure
	step "Pages: types, prettier, assets/" lint-web \
	    "cd web && npx prettier --write . && npm run build, and commit" \
	    lint_web
}

# ---- bench -----------------------------------------------------------------
# The least that a request cannot do without, as a server beside the other.
floor_start() {
	local port
	instance_load
	port=$(port_pick)
	FLOOR_USER=$(PGPASSWORD=$(cat "$KEYS/pg_superuser.pw") psql -X -A -t -w \
	    -h 127.0.0.1 -p "$ELEUSIS_DB_PORT" -U postgres -d eleusis \
	    -c 'SELECT id FROM eleusis.app_user ORDER BY id LIMIT 1')
	export FLOOR_USER FLOOR_BIND="127.0.0.1 $port"
	export FLOOR_PIDFILE=$RUN/floor.pid
	export FLOOR_MODULE=$TOP/$BUILD/floor.so
	# shellcheck disable=SC2086
	setsid "$TOP/$BUILD/kore/kore" -f $KORE_FLAGS \
	    -c "$TOP/loadtest/floor.conf" >"$VAR/log/floor.log" 2>&1 </dev/null &
	printf 'https://localhost:%d/bench/floor' "$port" >"$RUN/floor.url"
	kore_wait "$!" "$(cat "$RUN/floor.url")" "$VAR/log/floor.log"
}

floor_stop() {
	local pid
	pid=$(cat "$RUN/floor.pid" 2>/dev/null) || return 0
	if pid_runs "$pid" kore; then
		stop_pid "$pid" TERM 20
	fi
}

# Against a server of its own: real password hashes, no limits in the way.
cmd_bench() {
	local rc=0 arg
	for arg in "$@"; do
		[[ $arg != -h && $arg != --help ]] ||
		    exec python3 "$TOP/loadtest/bench" --help
	done
	need_root
	private_instance bench
	trap 'floor_stop; cmd_down >/dev/null' EXIT
	steps 12
	steps_build run services build test bench
	step "Python environment" venv \
	    "check the network; ./dev clean starts afresh" venv_ensure
	step "Tools" tools "the compiler's message above names the line to mend" \
	    make_here tools
	steps_instance
	step "Floor server, to compare with" floor "see $VAR/log/floor.log" \
	    floor_start
	instance_load
	export ELEUSIS_CTL=$TOP/$BUILD/eleusisctl
	ELEUSIS_PROBE_URL=$(cat "$RUN/floor.url")
	export ELEUSIS_PROBE_URL
	"$TOP/var/venv/bin/python" "$TOP/loadtest/bench" --no-forest "$@" || rc=$?
	say ""
	"$TOP/var/venv/bin/python" "$TOP/loadtest/handshakes.py" --seconds 2 \
	    --rounds 3 || rc=$?
	say ""
	"$TOP/var/venv/bin/python" "$TOP/loadtest/forest_bench.py" "$BUILD" || rc=$?
	"$TOP/var/venv/bin/python" "$TOP/loadtest/admit_bench.py" || rc=$?
	return "$rc"
}
