# shellcheck shell=bash
# One running Eleusis lives under $VAR: keys, chroot, data, logs, and run/env,
# the environment that its server and eleusisctl are started with.

# Users of the two privilege-separated parts of the server, and of Redis: one
# who takes a worker over cannot signal or trace the others.
WORKER_USER=eleusis
KEY_USER=eleusis-tls
REDIS_USER=eleusis-redis

# Names the paths of the instance; creates nothing.
instance_paths() {
	VAR=${ELEUSIS_VAR:-$TOP/var}
	[[ $VAR == /* ]] || VAR=$TOP/$VAR
	RUN=$VAR/run
	KEYS=$VAR/keys
	PIDFILE=$RUN/eleusis.pid
	SERVER_LOG=$VAR/log/eleusis.log
	CERT=$TOP/cert
}

instance_dirs() {
	umask 022
	mkdir -p "$VAR/log" "$RUN" "$VAR/chroot"
	# Logs name users by id, and patients by nothing; still not for everybody.
	chmod 750 "$VAR/log"
	(umask 077 && mkdir -p "$KEYS")
	chmod 700 "$KEYS"
}

# Ports are picked once; a port that somebody else has taken since is
# replaced, unless the service that owns it is the one that is running.
instance_ports() {
	local PG_PORT='' REDIS_PORT='' file=$RUN/ports.env
	if [ -r "$file" ]; then
		# shellcheck source=/dev/null
		. "$file"
	fi
	if ! pg_running && { [ -z "$PG_PORT" ] || port_busy "$PG_PORT"; }; then
		PG_PORT=$(port_pick)
	fi
	if ! redis_running &&
	    { [ -z "$REDIS_PORT" ] || port_busy "$REDIS_PORT"; }; then
		REDIS_PORT=$(port_pick)
	fi
	printf 'PG_PORT=%d\nREDIS_PORT=%d\n' "$PG_PORT" "$REDIS_PORT" >"$file"
}

# Values that the caller's environment may replace come with :-.
instance_env() {
	local PG_PORT REDIS_PORT port=${ELEUSIS_PORT:-8443} flags='' name
	# shellcheck source=/dev/null
	. "$RUN/ports.env"
	[ "$UNPRIVILEGED" = yes ] && flags='-n -r'
	# What the server mails lies in a file that only root can read.
	local mail=${ELEUSIS_MAIL_URL-}
	[ -n "${ELEUSIS_MAIL_URL+x}" ] || [ "${ELEUSIS_ENV:-dev}" != dev ] ||
		mail=file:$VAR/mail.mbox
	local mtls=/dev/null mtls_port=${ELEUSIS_MTLS_PORT:-}
	[ -z "$mtls_port" ] || mtls=conf/mtls.kore.conf
	local -A env=(
		[ELEUSIS_VAR]=$VAR
		[ELEUSIS_PORT]=$port
		[ELEUSIS_URL]=https://localhost:$port
		[ELEUSIS_CA]=$CERT/ca.pem
		[ELEUSIS_BUILD]=$BUILD
		[ELEUSIS_ENV]=${ELEUSIS_ENV:-dev}
		[ELEUSIS_ORIGIN]=${ELEUSIS_ORIGIN:-https://localhost:$port}
		[ELEUSIS_DB_HOST]=127.0.0.1
		[ELEUSIS_DB_PORT]=$PG_PORT
		[ELEUSIS_DB_NAME]=eleusis
		[ELEUSIS_DB_USER]=eleusis_server
		[ELEUSIS_DB_PASSWORD_FILE]=$KEYS/eleusis_server.pw
		[ELEUSIS_DB_OWNER]=eleusis_owner
		[ELEUSIS_DB_OWNER_PASSWORD_FILE]=$KEYS/eleusis_owner.pw
		[ELEUSIS_DB_SSLMODE]=disable
		[ELEUSIS_REDIS_HOST]=127.0.0.1
		[ELEUSIS_REDIS_PORT]=$REDIS_PORT
		[ELEUSIS_REDIS_PASSWORD_FILE]=$KEYS/redis.pw
		[ELEUSIS_KEY_DIR]=$KEYS
		[ELEUSIS_MAIL_URL]=$mail
		[ELEUSIS_BREACHED_FILE]=${ELEUSIS_BREACHED_FILE-$TOP/conf/passwords/breached.bin}
		[ELEUSIS_ASSETS_DIR]=${ELEUSIS_ASSETS_DIR:-$TOP/assets}
		[ELEUSIS_MODELS_DIR]=${ELEUSIS_MODELS_DIR:-$TOP/models}
		[KORE_BIND]="${ELEUSIS_BIND:-127.0.0.1} $port"
		[KORE_WORKERS]=${ELEUSIS_WORKERS:-$(nproc)}
		[KORE_MODULE]="$TOP/$BUILD/eleusis.so eleusis_onload"
		[KORE_DHPARAM]=$TOP/$BUILD/kore/ffdhe4096.pem
		[KORE_PIDFILE]=$PIDFILE
		[KORE_ROOT]=$VAR/chroot
		[KORE_USER]=$WORKER_USER
		[KORE_CERT_ROOT]=$VAR/keymgr
		[KORE_KEY_USER]=$KEY_USER
		[KORE_CERTFILE]=server.pem
		[KORE_CERTKEY]=server.key
		[KORE_FLAGS]=$flags
		[KORE_MTLS]=$mtls
		[KORE_MTLS_BIND]="${ELEUSIS_MTLS_BIND:-127.0.0.1} $mtls_port"
		[KORE_MTLS_DOMAIN]="${ELEUSIS_MTLS_NAME:-mtls.localhost} {"
		[KORE_MTLS_CLIENT_CA]=etc/ssl/client-ca.pem
	)
	# Settings given by the caller stay in force after a restart.
	while IFS='=' read -r name _; do
		[ -n "${env[$name]+x}" ] || env[$name]=${!name}
	done < <(env | grep -E '^ELEUSIS_[A-Z0-9_]+=' |
	    grep -vE '^ELEUSIS_(CACHE|BIND|WORKERS|MTLS_[A-Z_]+)=')
	(
		umask 077
		for name in $(printf '%s\n' "${!env[@]}" | sort); do
			printf 'export %s=%q\n' "$name" "${env[$name]}"
		done >"$RUN/env.new"
	)
	mv "$RUN/env.new" "$RUN/env"
}

# Loads the environment of an instance that was set up before.
instance_load() {
	[ -r "$RUN/env" ] || die "nothing set up in $VAR yet: run ./dev up"
	# shellcheck source=/dev/null
	. "$RUN/env"
	BUILD=$ELEUSIS_BUILD
}

# ---- step: users, chroot, keys and passwords ------------------------------
instance_users() {
	local user
	for user in "$WORKER_USER" "$KEY_USER" "$REDIS_USER"; do
		id "$user" >/dev/null 2>&1 && continue
		useradd --system --user-group --no-create-home \
		    --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
	done
}

# What name resolution and outbound TLS need, and nothing else. Owned by
# root: the workers cannot write into it.
instance_chroot() {
	local root=$VAR/chroot file
	mkdir -p "$root/etc/ssl/certs"
	for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
		[ -r "$file" ] && install -m 644 "$file" "$root$file"
	done
	# Else glibc asks the name servers before it reads hosts, and takes the
	# first line of a name only.
	printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
	printf 'multi on\n' >"$root/etc/host.conf"
	if [ -n "${ELEUSIS_MTLS_PORT:-}" ]; then
		instance_client_ca "$root/etc/ssl/client-ca.pem"
	fi
	chmod 755 "$root"
}

# Whose clients may come in at the second listener. A file that cannot be used
# would end each worker at its start.
instance_client_ca() {
	local file=${ELEUSIS_MTLS_CLIENT_CA:-}
	[ -n "$file" ] || die "ELEUSIS_MTLS_PORT needs ELEUSIS_MTLS_CLIENT_CA"
	"$TOP/$BUILD/eleusisctl" tls check "$file"
	install -m 644 "$file" "$1"
}

# The key manager's chroot: certificate and key, which it can read and not
# change. Nobody else can enter it.
instance_keymgr() {
	local dir=$VAR/keymgr
	if is_root; then
		install -d -m 750 -o root -g "$KEY_USER" "$dir"
	else
		install -d -m 700 "$dir"
	fi
	keymgr_install "$CERT/server.pem" "$CERT/server.key"
}

# keymgr_install CERT KEY: each file is whole at any time. Of the two together
# the key manager takes none unless they match.
keymgr_install() {
	local dir=$VAR/keymgr
	local -a how=(-m 400)
	if is_root; then
		how=(-m 440 -o root -g "$KEY_USER")
	fi
	install "${how[@]}" "$1" "$dir/server.pem.new"
	install "${how[@]}" "$2" "$dir/server.key.new"
	mv "$dir/server.key.new" "$dir/server.key"
	mv "$dir/server.pem.new" "$dir/server.pem"
}

instance_secrets() {
	local name
	for name in pg_superuser eleusis_owner eleusis_server redis; do
		secret_file "$KEYS/$name.pw"
	done
	(
		# shellcheck source=/dev/null
		. "$RUN/env"
		[ -s "$KEYS/root.key" ] || "$TOP/$BUILD/eleusisctl" keys create
	)
}

instance_prepare() {
	instance_dirs
	if is_root; then
		instance_users
	fi
	instance_chroot
	instance_keymgr
	instance_ports
	instance_env
	instance_secrets
}
