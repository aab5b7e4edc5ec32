# shellcheck shell=bash
# A certificate for localhost, signed by a certification authority of this
# checkout. The authority may only sign names of this machine (name
# constraints), so that trusting it in a browser risks nothing else.

certificate_authority() {
	[ -s "$CERT/ca.pem" ] && [ -s "$CERT/ca.key" ] &&
	    openssl x509 -in "$CERT/ca.pem" -noout -checkend 8640000 && return
	if [ -s "$CERT/ca.pem" ] && [ -s "$CERT/server.pem" ] &&
	    certificate_ours; then
		rm -f "$CERT/server.pem"
	fi
	openssl req -x509 -newkey rsa:3072 -sha256 -nodes -days 3650 \
	    -subj "/CN=Eleusis development authority of $(hostname)" \
	    -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' \
	    -addext 'keyUsage=critical,keyCertSign,cRLSign' \
	    -addext "nameConstraints=critical,permitted;DNS:localhost,permitted;IP:127.0.0.0/255.0.0.0,permitted;IP:0:0:0:0:0:0:0:1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" \
	    -keyout "$CERT/ca.key" -out "$CERT/ca.pem"
	chmod 600 "$CERT/ca.key"
	chmod 644 "$CERT/ca.pem"
}

# One that was put here by hand stays, whatever it says.
certificate_server() {
	if [ -s "$CERT/server.pem" ] && [ -s "$CERT/server.key" ]; then
		certificate_ours || return 0
		openssl x509 -in "$CERT/server.pem" -noout -checkend 864000 &&
		    openssl x509 -in "$CERT/server.pem" -noout \
		        -checkhost mtls.localhost | grep -q 'does match' && return
	fi
	certificate_issue
}

certificate_ours() {
	[ "$(openssl x509 -in "$CERT/server.pem" -noout -issuer_hash)" = \
	    "$(openssl x509 -in "$CERT/ca.pem" -noout -subject_hash)" ]
}

certificate_issue() {
	openssl req -new -newkey rsa:2048 -sha256 -nodes -subj /CN=localhost \
	    -keyout "$CERT/server.key.new" -out "$CERT/server.csr"
	openssl x509 -req -in "$CERT/server.csr" -sha256 -days 397 \
	    -CA "$CERT/ca.pem" -CAkey "$CERT/ca.key" \
	    -set_serial "0x$(openssl rand -hex 16)" \
	    -extfile <(
		echo 'basicConstraints=critical,CA:FALSE'
		echo 'keyUsage=critical,digitalSignature'
		echo 'extendedKeyUsage=serverAuth'
		echo 'subjectAltName=DNS:localhost,DNS:mtls.localhost,IP:127.0.0.1,IP:::1'
	    ) -out "$CERT/server.pem.new"
	rm -f "$CERT/server.csr"
	mv "$CERT/server.key.new" "$CERT/server.key"
	mv "$CERT/server.pem.new" "$CERT/server.pem"
}

# The key manager gets copies of its own: see instance_keymgr.
certificate_make() {
	umask 077
	mkdir -p "$CERT"
	certificate_authority
	certificate_server
	chmod 755 "$CERT"
	chmod 644 "$CERT/server.pem"
	chmod 600 "$CERT/server.key"
}

certificate_renew() {
	umask 077
	certificate_issue
	certificate_make
}

# certificate_reload [CERT KEY]: exchanges the pair that is in service, without
# a restart. One that is no good is refused here, and again by the key manager.
certificate_reload() {
	local cert=${1:-$CERT/server.pem} key=${2:-$CERT/server.key}
	"$TOP/$BUILD/eleusisctl" tls check "$cert" --key "$key" ||
	    die "the certificate stays as it is"
	keymgr_install "$cert" "$key"
	if server_running; then
		kill -USR1 "$(server_pid)"
	fi
}

cmd_certificate() {
	local action=${1:-}
	[ $# -eq 0 ] || shift
	instance_load
	case $action-$# in
	reload-0 | reload-2) certificate_reload "$@" ;;
	renew-0)
		steps 1
		step "Certificate for localhost" certificate \
		    "see the message above" certificate_renew
		certificate_reload
		;;
	*) die "certificate: renew, reload, or reload CERT KEY?" ;;
	esac
}
