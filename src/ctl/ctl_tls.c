/*
 * eleusisctl tls check: may these files be put into service? Reads what Kore's
 * key manager would read and names everything that is wrong with it, as JSON,
 * before anything is exchanged. Without --key only certificates are looked at,
 * as for the file of authorities whose clients may come in.
 */
#include <sys/stat.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <sodium.h>

#include "crypto/crypto.h"
#include "ctl/ctl.h"

#define FILE_MAX     65535 /* what the key manager reads */
#define CHAIN_MAX    16
#define RSA_BITS_MIN 2048
#define DAY_S        86400

struct check {
	struct arena *arena;
	struct json_out *out;
	struct buf problems; /* array elements */
	X509 *chain[CHAIN_MAX];
	int n;
	EVP_PKEY *key;
	int64_t not_before, not_after; /* of the first, us */
};

static void
problem(struct check *c, const char *code, const char *detail)
{
	struct json_out *o = json_out_new(c->arena);
	const char *text;
	size_t len;

	json_obj(o);
	json_kstr(o, "code", code);
	json_kstr(o, "detail", detail);
	json_obj_end(o);
	json_finish(o, &text, &len);
	if (c->problems.len > 0)
		buf_putc(&c->problems, ',');
	buf_append(&c->problems, text, len);
}

/* An encrypted key is not asked about: nobody would be there to answer. */
static int
no_password(char *buf UNUSED, int size UNUSED, int rw UNUSED, void *arg UNUSED)
{
	return (-1);
}

static int64_t
asn1_us(const ASN1_TIME *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return (0);
	return ((int64_t)timegm(&tm) * 1000000);
}

static bool
nothing_left(void)
{
	unsigned long e = ERR_peek_last_error();

	return (ERR_GET_LIB(e) == ERR_LIB_PEM &&
		ERR_GET_REASON(e) == PEM_R_NO_START_LINE);
}

static void
read_chain(struct check *c, const char *path)
{
	char *text;
	size_t len;
	BIO *in;

	if (ctl_read_file(path, FILE_MAX, &text, &len) != RES_OK) {
		problem(c, "certificate-unreadable", "the file cannot be read");
		return;
	}
	in = BIO_new_mem_buf(text, (int)len);
	ERR_clear_error();
	while (c->n < CHAIN_MAX && (c->chain[c->n] = PEM_read_bio_X509(
					in, NULL, no_password, NULL)) != NULL)
		c->n++;
	if (c->n == 0)
		problem(
		    c, "certificate-unreadable", "no PEM certificate in it");
	else if (c->n < CHAIN_MAX && !nothing_left())
		problem(c, "chain-broken", "a further certificate is not PEM");
	BIO_free(in);
	sodium_free(text);
}

static void
read_key(struct check *c, const char *path)
{
	struct stat st;
	char *text;
	size_t len;
	BIO *in;

	if (ctl_read_file(path, FILE_MAX, &text, &len) != RES_OK) {
		problem(c, "key-unreadable", "the file cannot be read");
		return;
	}
	in = BIO_new_mem_buf(text, (int)len);
	c->key = PEM_read_bio_PrivateKey(in, NULL, no_password, NULL);
	BIO_free(in);
	sodium_free(text);
	if (c->key == NULL)
		problem(c, "key-unreadable",
		    "no PEM private key in it, or one with a password");
	if (stat(path, &st) == 0 && (st.st_mode & S_IRWXO) != 0)
		problem(c, "key-open", "everybody may read or change the file");
}

static void
check_key(struct check *c)
{
	if (c->key == NULL)
		return;
	if (EVP_PKEY_get_base_id(c->key) != EVP_PKEY_RSA)
		problem(c, "key-type", "only RSA keys can be served");
	else if (EVP_PKEY_get_bits(c->key) < RSA_BITS_MIN)
		problem(c, "key-weak", "less than 2048 bits");
	if (c->n > 0 && X509_check_private_key(c->chain[0], c->key) != 1)
		problem(c, "key-mismatch",
		    "the key is not that of the first certificate");
}

static void
check_dates(struct check *c, int64_t days)
{
	int64_t now = time_now_us();

	c->not_before = asn1_us(X509_get0_notBefore(c->chain[0]));
	c->not_after = asn1_us(X509_get0_notAfter(c->chain[0]));
	if (c->not_after <= now)
		problem(c, "expired", "its time is over");
	else if (c->not_after - now < days * DAY_S * 1000000)
		problem(c, "expires-soon", "fewer days left than asked for");
	if (c->not_before > now)
		problem(c, "not-yet-valid", "its time has not come");
	for (int i = 1; i < c->n; i++) {
		if (asn1_us(X509_get0_notAfter(c->chain[i])) <= now)
			problem(c, "chain-expired",
			    "a certificate of the chain has expired");
	}
}

/* Each certificate is signed by the next: clients get them in this order. */
static void
check_chain(struct check *c)
{
	EVP_PKEY *issuer;
	bool ok = true;
	int bits;

	for (int i = 0; i + 1 < c->n; i++) {
		issuer = X509_get0_pubkey(c->chain[i + 1]);
		ok = ok && issuer != NULL &&
		     X509_check_issued(c->chain[i + 1], c->chain[i]) ==
			 X509_V_OK &&
		     X509_verify(c->chain[i], issuer) == 1;
	}
	if (!ok)
		problem(c, "chain-broken",
		    "a certificate is not signed by the one after it");
	for (int i = 0; i < c->n; i++) {
		if (X509_get_signature_info(
			c->chain[i], NULL, NULL, &bits, NULL) == 1 &&
		    bits < 112 && X509_self_signed(c->chain[i], 0) == 0) {
			problem(c, "signature-weak",
			    "a signature is weaker than 112 bits");
			break;
		}
	}
}

static void
check_name(struct check *c, const char *name)
{
	if (X509_check_host(c->chain[0], name, 0, 0, NULL) != 1 &&
	    X509_check_ip_asc(c->chain[0], name, 0) != 1)
		problem(c, "name-missing",
		    "the certificate is not for this host name or address");
}

static void
put_names(struct json_out *o, X509 *cert)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const GENERAL_NAME *name;

	json_key(o, "names");
	json_arr(o);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DNS)
			json_strn(o,
			    (const char *)ASN1_STRING_get0_data(
				name->d.dNSName),
			    (size_t)ASN1_STRING_length(name->d.dNSName));
	}
	json_arr_end(o);
	GENERAL_NAMES_free(names);
}

static void
put_certificate(struct check *c)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1], subject[256];
	unsigned len;

	X509_NAME_oneline(
	    X509_get_subject_name(c->chain[0]), subject, sizeof(subject));
	json_kstr(c->out, "subject",
	    utf8_valid(subject, strlen(subject)) ? subject : NULL);
	if (X509_digest(c->chain[0], EVP_sha256(), digest, &len) == 1) {
		digest_hex(digest, len, hex);
		json_kstr(c->out, "sha256", hex);
	}
	json_ktime(c->out, "not_before", c->not_before);
	json_ktime(c->out, "not_after", c->not_after);
	json_kint(c->out, "days_left",
	    (c->not_after - time_now_us()) / 1000000 / DAY_S);
	json_kint(c->out, "certificates", c->n);
	put_names(c->out, c->chain[0]);
}

static bool
print(struct check *c)
{
	bool ok = c->problems.len == 0;
	const char *text;
	size_t len;

	c->out = json_out_new(c->arena);
	json_obj(c->out);
	json_kbool(c->out, "ok", ok);
	if (c->n > 0)
		put_certificate(c);
	json_obj_end(c->out);
	json_finish(c->out, &text, &len);
	/* The object's end makes room for what was found. */
	printf(
	    "%.*s,\"problems\":[%s]}\n", (int)len - 1, text, c->problems.data);

	return (ok);
}

static void
check_free(struct check *c)
{
	for (int i = 0; i < c->n; i++)
		X509_free(c->chain[i]);
	EVP_PKEY_free(c->key);
	arena_destroy(&c->arena);
}

enum ctl_exit
ctl_tls_check(const struct ctl_args *args)
{
	const char *key = ctl_value(args, "key");
	const char *name = ctl_value(args, "name");
	const char *days_text = ctl_value(args, "days");
	struct check c = { .arena = NULL };
	int64_t days = 0;
	bool ok;

	if (args->operand == NULL) {
		ctl_error("which certificate?");
		ctl_hint("eleusisctl tls check --help");
		return (CTL_USAGE);
	}
	if (days_text != NULL && !str_to_int64(days_text, 0, 36500, &days)) {
		ctl_error("--days: a number from 0 to 36500");
		return (CTL_USAGE);
	}
	c.arena = arena_new();
	buf_init(&c.problems, c.arena, 256);
	read_chain(&c, args->operand);
	if (key != NULL)
		read_key(&c, key);
	check_key(&c);
	if (c.n > 0) {
		check_dates(&c, days);
	}
	if (key != NULL)
		check_chain(&c);
	if (c.n > 0 && name != NULL)
		check_name(&c, name);
	ok = print(&c);
	check_free(&c);

	return (ok ? CTL_DONE : CTL_FAILED);
}
