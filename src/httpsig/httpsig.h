/*
 * httpsig/: HTTP message signatures (RFC 9421), the structured fields they are
 * written in (RFC 9651) and digests of bodies (RFC 9530). Pure: it knows what
 * is signed and whether a signature holds under a key, not whose key that is.
 */
#ifndef HTTPSIG_H
#define HTTPSIG_H

#include "http/http.h"

/*
 * sfv.c, sfv_write.c: structured fields (RFC 9651). Text lives in the arena.
 */
enum sfv_type {
	SFV_UNSET = 0,
	SFV_INTEGER,
	SFV_DECIMAL, /* in thousandths */
	SFV_STRING,
	SFV_TOKEN,
	SFV_BYTES,
	SFV_BOOLEAN,
	SFV_LIST /* an inner list: members without keys */
};
struct sfv_member;
struct sfv_value {
	enum sfv_type type;
	int64_t i;     /* INTEGER, DECIMAL, BOOLEAN */
	const char *s; /* STRING, TOKEN, BYTES; NUL-terminated */
	size_t len;
	const struct sfv_member *items;  /* of a list */
	const struct sfv_member *params; /* keys are unique */
};
struct sfv_member {
	struct sfv_member *next;
	const char *key;
	struct sfv_value value;
};
/* RES_ERR unless the whole text is a dictionary; "" is an empty one. */
enum res
sfv_dictionary(struct arena *, const char *, const struct sfv_member **first);
/* The value of a key, or NULL. Not for the items of a list. */
const struct sfv_value *sfv_get(const struct sfv_member *, const char *key);
void sfv_write(struct buf *, const struct sfv_value *);
void sfv_write_bytes(struct buf *, const void *, size_t);

/*
 * signature_component.c, signature_base.c, query_param.c: what is signed
 * (RFC 9421, 2). why, in case of RES_ERR: words for the client that repeat
 * nothing of what it sent but component names.
 */
enum component_form {
	COMPONENT_UNSET = 0,
	COMPONENT_METHOD,
	COMPONENT_TARGET_URI,
	COMPONENT_AUTHORITY,
	COMPONENT_SCHEME,
	COMPONENT_REQUEST_TARGET,
	COMPONENT_PATH,
	COMPONENT_QUERY,
	COMPONENT_QUERY_PARAM, /* of arg, as encoded in the query */
	COMPONENT_FIELD,
	COMPONENT_FIELD_KEY,  /* member arg of a dictionary */
	COMPONENT_FIELD_BYTES /* each line as a byte sequence */
};
struct sig_component {
	enum component_form form;
	const char *name, *arg;
	const char *identifier; /* with parameters, canonical */
};
#define COMPONENTS_MAX 48
/* A covered component out of its item in Signature-Input. */
enum res component_read(struct arena *, const struct sfv_value *,
    struct sig_component *, const char **why);
/* A request as it is signed. The names of fields compare without case. */
struct message {
	const char *method, *scheme, *authority, *path;
	const char *query; /* behind the '?'; NULL: there is none */
	const struct ctx_field *fields;
	unsigned nfields;
};
enum res signature_base(struct arena *, const struct message *,
    const struct sig_component *, unsigned n, const char *params,
    struct buf *out, const char **why);
/* RES_ERR unless just one parameter is of that name (percent-encoded, as
 * RFC 9421, 2.2.8 has it); its value encoded in the same way. */
enum res query_param(
    struct arena *, const char *query, const char *name, const char **value);

/* signature_verify.c */
enum signature_alg {
	SIGNATURE_UNSET = 0, /* the key cannot sign */
	SIGNATURE_HMAC_SHA256,
	SIGNATURE_ED25519
};
/* "hmac-sha256"; UNSET: another one. */
enum signature_alg signature_alg_parse(const char *);
const char *signature_alg_name(enum signature_alg);
/* Constant time but for the key's length. A key of zeros
 * is one that is not there, and no signature holds under it. */
bool signature_holds(enum signature_alg, const uint8_t *key, size_t keylen,
    const struct buf *base, const uint8_t *signature, size_t len);

/* digest_header.c: Content-Digest (RFC 9530) */
enum digest_result {
	DIGEST_UNSET = 0,
	DIGEST_MATCHES,   /* every known one of them */
	DIGEST_UNKNOWN,   /* neither sha-256 nor sha-512 is there */
	DIGEST_MALFORMED, /* no dictionary of byte sequences */
	DIGEST_DIFFERS
};
enum digest_result digest_header_check(
    struct arena *, const char *field, const void *body, size_t len);

#endif
