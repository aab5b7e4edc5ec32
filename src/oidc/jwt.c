/*
 * Signed tokens in compact form (RFC 7515, RFC 8725). The header is read
 * first and believed in nothing: it only says which of the allowed algorithms
 * and which of the provider's published keys to try. Keys that it brings along
 * or points to (jwk, jku, x5c, x5u) are never looked at. libcjose checks the
 * signature, on the thread pool.
 */
#include <cjose/cjose.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "oidc/oidc_priv.h"

#define HEADER_DEPTH 4
#define CLAIMS_DEPTH 10
#define VARIANT      sodium_base64_VARIANT_URLSAFE_NO_PADDING
/* Base64url characters of an RSA modulus of 2048 and of 8192 bits. */
#define RSA_CHARS_MIN 342
#define RSA_CHARS_MAX 1366
#define RSA_E_CHARS   6 /* 32 bits */

/* No "none", and no MAC: whoever checks one could also have made it. */
static const struct alg {
	const char *name, *kty, *crv;
} algs[] = {
	{ "RS256", "RSA", NULL },
	{ "RS384", "RSA", NULL },
	{ "RS512", "RSA", NULL },
	{ "PS256", "RSA", NULL },
	{ "PS384", "RSA", NULL },
	{ "PS512", "RSA", NULL },
	{ "ES256", "EC", "P-256" },
	{ "ES384", "EC", "P-384" },
	{ "ES512", "EC", "P-521" },
};
const char *const provider_algs[] = { "RS256", "RS384", "RS512", "PS256",
	"PS384", "PS512", "ES256", "ES384", "ES512", NULL };

_Static_assert(NELEM(provider_algs) == NELEM(algs) + 1, "the same list");

static const struct alg *
alg_find(const char *name)
{
	for (size_t i = 0; i < NELEM(algs); i++)
		if (strcmp(algs[i].name, name) == 0)
			return (&algs[i]);
	return (NULL);
}

/* A part of the token as JSON; NULL: it is none. Duplicate members and bad
 * UTF-8 are refused by the parser. */
static struct jval *
part(struct arena *arena, const char *s, size_t len, unsigned depth)
{
	struct err err = { .problem = PROBLEM_UNSET };
	unsigned char *raw = arena_alloc(arena, len + 1);
	struct jval *v;
	size_t n;

	if (sodium_base642bin(raw, len, s, len, NULL, &n, NULL, VARIANT) != 0 ||
	    json_parse(arena, raw, n, depth, &v, &err) != RES_OK ||
	    v->type != J_OBJ)
		return (NULL);
	return (v);
}

/* A text without NUL, or NULL; *wrong when it is there and is none. */
static const char *
text(const struct jval *v, const char *name, bool *wrong)
{
	const struct jval *m = json_get(v, name);

	if (m == NULL)
		return (NULL);
	if (m->type == J_STR && strlen(m->s) == m->slen)
		return (m->s);
	*wrong = true;
	return (NULL);
}

static bool
listed(const char *const *list, const char *s)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, s) == 0)
			return (true);
	return (false);
}

enum oidc_reason
jwt_read(struct arena *arena, const char *token, const char *const *allowed,
    struct jwt *out)
{
	const char *dot = strchr(token, '.'), *second;
	const struct jval *header;
	bool wrong = false;

	memset(out, 0, sizeof(*out));
	out->text = token;
	out->len = strlen(token);
	second = dot != NULL ? strchr(dot + 1, '.') : NULL;
	if (out->len > JWT_MAX || second == NULL ||
	    strchr(second + 1, '.') != NULL)
		return (OIDC_BAD_TOKEN);
	header = part(arena, token, (size_t)(dot - token), HEADER_DEPTH);
	if (header == NULL)
		return (OIDC_BAD_TOKEN);
	out->alg = text(header, "alg", &wrong);
	out->kid = text(header, "kid", &wrong);
	out->typ = text(header, "typ", &wrong);
	/* What must be understood is not (RFC 7515, 4.1.11; RFC 7797). */
	if (wrong || out->alg == NULL || json_get(header, "crit") != NULL ||
	    json_get(header, "b64") != NULL)
		return (OIDC_BAD_TOKEN);
	if (alg_find(out->alg) == NULL || !listed(allowed, out->alg))
		return (OIDC_BAD_ALG);
	return (OIDC_OK);
}

const char *
jwt_issuer(struct arena *arena, const struct jwt *jwt)
{
	const char *first = strchr(jwt->text, '.') + 1;
	const struct jval *v = part(
	    arena, first, (size_t)(strchr(first, '.') - first), CLAIMS_DEPTH);
	bool wrong = false;

	return (v != NULL ? text(v, "iss", &wrong) : NULL);
}

static bool
rsa_ok(const struct jval *key)
{
	const char *n = json_get_str(key, "n"), *e = json_get_str(key, "e");

	return (n != NULL && e != NULL && strlen(n) >= RSA_CHARS_MIN &&
		strlen(n) <= RSA_CHARS_MAX && strlen(e) <= RSA_E_CHARS &&
		strcmp(e, "AQ") != 0);
}

static bool
operation_ok(const struct jval *key)
{
	const struct jval *m, *ops = json_get(key, "key_ops");

	if (ops == NULL)
		return (true);
	if (ops->type != J_ARR)
		return (false);
	JSON_FOREACH (m, ops)
		if (m->type == J_STR && strcmp(m->s, "verify") == 0)
			return (true);
	return (false);
}

/* Absent, or just that. */
static bool
member_fits(const struct jval *key, const char *name, const char *want)
{
	const struct jval *m = json_get(key, name);

	return (m == NULL || (m->type == J_STR && strcmp(m->s, want) == 0));
}

bool
jwt_key_fits(const struct jwt *jwt, const struct jval *key)
{
	const struct alg *alg = alg_find(jwt->alg);
	const char *kty, *crv, *kid;

	if (alg == NULL || key->type != J_OBJ)
		return (false);
	kty = json_get_str(key, "kty");
	crv = json_get_str(key, "crv");
	kid = json_get_str(key, "kid");
	if (kty == NULL || strcmp(kty, alg->kty) != 0 ||
	    !member_fits(key, "use", "sig") ||
	    !member_fits(key, "alg", alg->name) || !operation_ok(key))
		return (false);
	if (jwt->kid != NULL && (kid == NULL || strcmp(kid, jwt->kid) != 0))
		return (false);
	if (alg->crv == NULL)
		return (rsa_ok(key));
	return (crv != NULL && strcmp(crv, alg->crv) == 0);
}

void
jwt_verify_job(void *arg)
{
	struct jwt_job *job = arg;
	cjose_jwk_t *key;
	cjose_jws_t *jws;
	cjose_err err;
	uint8_t *plain;
	size_t len;

	job->claims = NULL;
	key = cjose_jwk_import(job->key, strlen(job->key), &err);
	jws = cjose_jws_import(job->token, job->token_len, &err);
	if (key != NULL && jws != NULL && cjose_jws_verify(jws, key, &err) &&
	    cjose_jws_get_plaintext(jws, &plain, &len, &err) &&
	    (job->claims = malloc(len + 1)) != NULL) {
		memcpy(job->claims, plain, len);
		job->claims_len = len;
	}
	if (jws != NULL)
		cjose_jws_release(jws);
	if (key != NULL)
		(void)cjose_jwk_release(key);
}
