/*
 * TLS beyond what kore.conf can say. Kore makes a new context for each
 * certificate it takes and calls tls_context() with it, in the worker: which
 * curves, signatures and suites, no renegotiation, no early data, and session
 * tickets under the keys that all workers share (crypto/ticket_keys.c).
 *
 * Where clients bring certificates nothing is resumed: each handshake shows a
 * certificate that is good at that moment, and a session of another listener
 * cannot stand in for one.
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#include <sodium.h>

#include <kore/kore.h>

#include "app/app.h"
#include "crypto/crypto.h"
#include "obs/obs.h"

#define GROUPS "X25519:P-256:P-384"
#define SUITES_1_3                                             \
	"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:" \
	"TLS_AES_256_GCM_SHA384"
/* The server's key is RSA; those of clients may be anything sound. */
#define SIGNATURES                                                     \
	"rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:" \
	"RSA+SHA256:RSA+SHA384:RSA+SHA512"
#define CLIENT_SIGNATURES                                                    \
	"ed25519:ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:rsa_pss_pss_sha256:" \
	"rsa_pss_pss_sha384:rsa_pss_pss_sha512:" SIGNATURES

#define DOMAINS_MAX 8

/* Handshakes of a domain's context that the metrics have already. */
static struct counted {
	long full, resumed;
} counted[DOMAINS_MAX];

/* Handshake messages that one connection may bring: five or six make the
 * handshake, and new keys are due after gigabytes only. */
#define MESSAGES_MAX 40

static EVP_CIPHER *ticket_cipher;
static int messages_index = -1; /* of the count in a connection's ex_data */

static enum res
start_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
	static char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(
		    OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, digest, sizeof(digest) - 1),
		OSSL_PARAM_construct_end(),
	};

	return (EVP_MAC_CTX_set_params(mac, params) == 1 ? RES_OK : RES_ERR);
}

/* 0: this session gets no ticket. */
static int
seal_ticket(
    uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	struct ticket_key key;
	int rc;

	if (!ticket_key_current(time_mono_ms(), &key))
		return (0);
	memcpy(name, key.name, sizeof(key.name));
	randombytes_buf(iv, (size_t)EVP_CIPHER_get_iv_length(ticket_cipher));
	rc = EVP_EncryptInit_ex2(cipher, ticket_cipher, key.cipher, iv, NULL) ==
		 1 &&
	     start_mac(mac, &key) == RES_OK;
	sodium_memzero(&key, sizeof(key));
	return (rc);
}

/* 0: a full handshake; 1: resumed; 2: resumed, and a new ticket is due. Under
 * TLS 1.3 each ticket is used once, so each resumption brings the next. */
static int
open_ticket(SSL *ssl, const uint8_t *name, const uint8_t *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	struct ticket_key key;
	bool current;
	int rc;

	if (!ticket_key_find(name, time_mono_ms(), &key, &current))
		return (0);
	rc = EVP_DecryptInit_ex2(cipher, ticket_cipher, key.cipher, iv, NULL) ==
		 1 &&
	     start_mac(mac, &key) == RES_OK;
	sodium_memzero(&key, sizeof(key));
	if (rc == 0)
		return (0);
	return (current && SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2);
}

static int
ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int sealing)
{
	if (sealing)
		return (seal_ticket(name, iv, cipher, mac));
	return (open_ticket(ssl, name, iv, cipher, mac));
}

static bool
set_algorithms(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 2);
	(void)SSL_CTX_set_options(ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	return (SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
		SSL_CTX_set_ciphersuites(ctx, SUITES_1_3) == 1 &&
		SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) == 1 &&
		SSL_CTX_set1_client_sigalgs_list(ctx, CLIENT_SIGNATURES) == 1 &&
		SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
		SSL_CTX_set_recv_max_early_data(ctx, 0) == 1);
}

/*
 * OpenSSL goes on reading for as long as there are key updates, or handshakes
 * that it refuses: with a flood of them the worker would do nothing else. Who
 * sends too many is cut off, by an input that has ended.
 */
static void
count_message(int sent, int version UNUSED, int type, const void *data UNUSED,
    size_t len UNUSED, SSL *ssl, void *arg UNUSED)
{
	uintptr_t n;
	BIO *end;

	if (type != (sent ? SSL3_RT_ALERT : SSL3_RT_HANDSHAKE))
		return;
	n = (uintptr_t)SSL_get_ex_data(ssl, messages_index) + 1;
	(void)SSL_set_ex_data(ssl, messages_index, (void *)n);
	if (n == MESSAGES_MAX && (end = BIO_new(BIO_s_null())) != NULL)
		SSL_set0_rbio(ssl, end);
}

/* A session belongs to the host name it was made under. */
static bool
set_sessions(SSL_CTX *ctx, const struct kore_domain *dom)
{
	uint8_t id[32];

	sha256(dom->domain, strlen(dom->domain), id);
	/* Sessions live in tickets; a table in each worker would not help. */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (dom->cafile != NULL) {
		(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		(void)SSL_CTX_set_num_tickets(ctx, 0);
	} else {
		(void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket);
	}
	(void)SSL_CTX_set_timeout(
	    ctx, (long)setting_int(SETTING_TLS_TICKET_PERIOD_S));
	return (SSL_CTX_set_session_id_context(ctx, id, sizeof(id)) == 1);
}

static void
report_certificate(SSL_CTX *ctx, const struct kore_domain *dom)
{
	const X509 *cert = SSL_CTX_get0_certificate(ctx);
	uint8_t digest[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned len;

	if (cert == NULL || X509_digest(cert, EVP_sha256(), digest, &len) != 1)
		return;
	digest_hex(digest, len, hex);
	log_event(LOG_LEVEL_INFO, "tls.certificate",
	    "certificate of %s in service: SHA-256 %s", dom->domain, hex);
}

static void
tls_context(struct kore_domain *dom)
{
	SSL_CTX *ctx = dom->tls_ctx;

	if (ticket_cipher == NULL)
		ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (ticket_cipher == NULL || !set_algorithms(ctx) ||
	    !set_sessions(ctx, dom))
		fatalx("TLS of %s cannot be set up: %s", dom->domain,
		    ERR_error_string(ERR_get_error(), NULL));
	SSL_CTX_set_msg_callback(ctx, count_message);
	if (dom->id < DOMAINS_MAX)
		memset(&counted[dom->id], 0, sizeof(counted[0]));
	report_certificate(ctx, dom);
}

/* A resumption counts before its handshake is done: only growth is added. */
static void
count(enum metric metric, long now, long *before)
{
	if (now <= *before)
		return;
	metric_add(metric, (uint64_t)(now - *before));
	*before = now;
}

static void
count_domain(struct kore_domain *dom)
{
	struct counted *c;
	long all, resumed;

	if (dom->tls_ctx == NULL || dom->id >= DOMAINS_MAX)
		return;
	c = &counted[dom->id];
	all = SSL_CTX_sess_accept_good(dom->tls_ctx);
	resumed = SSL_CTX_sess_hits(dom->tls_ctx);
	count(METRIC_TLS_FULL, all - resumed, &c->full);
	count(METRIC_TLS_RESUMED, resumed, &c->resumed);
}

void
tls_periodic(void)
{
	ticket_keys_rotate(time_mono_ms());
	kore_domain_callback(count_domain);
}

enum res
tls_init(void)
{
	messages_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (messages_index == -1)
		return (RES_ERR);
	kore_tls_domain_hook = tls_context;
	return (ticket_keys_init(
	    setting_int(SETTING_TLS_TICKET_PERIOD_S) * 1000, time_mono_ms()));
}
