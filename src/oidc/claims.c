/*
 * What the tokens of a provider must say before anything they say is
 * believed. Whatever is missing, of another type or of somebody else refuses
 * the token; the order only decides which reason is told.
 */
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "oidc/oidc_priv.h"

#define SUB_MAX      255 /* OpenID Connect Core, 8 */
#define SID_MAX      255
#define JTI_MAX      255
#define EMAIL_MAX    254
#define NAME_MAX_    200
#define LOGOUT_S     600            /* a word of log-out is no older */
#define TIME_LIMIT   253402300800.0 /* the year 10000 */
#define VARIANT      sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define LOGOUT_EVENT "http://schemas.openid.net/event/backchannel-logout"

/* A text of 1 to max bytes, or NULL. */
static const char *
text(const struct jval *v, const char *name, size_t max)
{
	const struct jval *m = json_get(v, name);

	if (m == NULL || m->type != J_STR || m->slen == 0 || m->slen > max ||
	    strlen(m->s) != m->slen)
		return (NULL);
	return (m->s);
}

/* False: not there, or no time. */
static bool
instant(const struct jval *v, const char *name, double *out)
{
	const struct jval *m = json_get(v, name);

	if (m == NULL || (m->type != J_INT && m->type != J_NUM) || m->d < 0 ||
	    m->d >= TIME_LIMIT)
		return (false);
	*out = m->d;
	return (true);
}

/* NULL in the list is impossible: texts of JSON. */
static bool
has_text(const struct jval *v, const char *s)
{
	const struct jval *m;

	if (v == NULL)
		return (false);
	if (v->type == J_STR)
		return (strlen(v->s) == v->slen && strcmp(v->s, s) == 0);
	if (v->type != J_ARR)
		return (false);
	JSON_FOREACH (m, v)
		if (m->type == J_STR && strlen(m->s) == m->slen &&
		    strcmp(m->s, s) == 0)
			return (true);
	return (false);
}

/* Ours; and when it is others' too, it must say that we asked for it. */
static bool
audience_ok(const struct jval *v, const char *client)
{
	const struct jval *aud = json_get(v, "aud"), *azp = json_get(v, "azp");

	if (!has_text(aud, client))
		return (false);
	if (azp != NULL && (azp->type != J_STR || !has_text(azp, client)))
		return (false);
	return (aud->type != J_ARR || aud->n == 1 || azp != NULL);
}

static enum oidc_reason
times_check(const struct jval *v, const struct claims_want *want)
{
	double at, now = (double)want->now_s;

	if (!instant(v, "exp", &at) || at <= now - OIDC_LEEWAY_S)
		return (OIDC_EXPIRED);
	if (!instant(v, "iat", &at) || at > now + OIDC_LEEWAY_S)
		return (OIDC_NOT_YET);
	if (json_get(v, "nbf") != NULL &&
	    (!instant(v, "nbf", &at) || at > now + OIDC_LEEWAY_S))
		return (OIDC_NOT_YET);
	if (want->max_age_s > 0 &&
	    (!instant(v, "auth_time", &at) ||
		at < now - (double)want->max_age_s - OIDC_LEEWAY_S ||
		at > now + OIDC_LEEWAY_S))
		return (OIDC_TOO_OLD);
	return (OIDC_OK);
}

static bool
nonce_ok(const struct jval *v, const char *want)
{
	const struct jval *m = json_get(v, "nonce");

	return (m != NULL && m->type == J_STR && m->slen == strlen(want) &&
		sodium_memcmp(m->s, want, m->slen) == 0);
}

/* The left half of the access token's hash, by the algorithm's own one
 * (OpenID Connect Core, 3.1.3.6). */
static bool
at_hash_ok(const struct jval *v, const struct claims_want *want)
{
	const struct jval *m = json_get(v, "at_hash");
	const EVP_MD *md;
	unsigned char hash[EVP_MAX_MD_SIZE];
	char b64[sodium_base64_ENCODED_LEN(EVP_MAX_MD_SIZE, VARIANT)];
	unsigned len;

	if (m == NULL)
		return (true);
	if (m->type != J_STR || want->access_token == NULL)
		return (false);
	md = strstr(want->alg, "512") != NULL ? EVP_sha512() :
	     strstr(want->alg, "384") != NULL ? EVP_sha384() :
						EVP_sha256();
	if (EVP_Digest(want->access_token, strlen(want->access_token), hash,
		&len, md, NULL) != 1)
		return (false);
	sodium_bin2base64(b64, sizeof(b64), hash, len / 2, VARIANT);
	return (
	    m->slen == strlen(b64) && sodium_memcmp(b64, m->s, m->slen) == 0);
}

/* Common to both kinds of token. */
static enum oidc_reason
origin_check(const struct jval *v, const struct claims_want *want)
{
	const struct jval *iss = json_get(v, "iss");

	if (iss == NULL || iss->type != J_STR || !has_text(iss, want->issuer))
		return (OIDC_TOKEN_ISSUER);
	return (audience_ok(v, want->client_id) ? OIDC_OK : OIDC_BAD_AUDIENCE);
}

static bool
true_claim(const struct jval *v)
{
	/* Some providers write it as a text. */
	return (
	    v != NULL && ((v->type == J_BOOL && v->b) || has_text(v, "true")));
}

/* When she proved who she is there; never in the future. */
static int64_t
proved_at(const struct jval *v, int64_t now_s)
{
	double at;

	if (!instant(v, "auth_time", &at))
		return (0);
	return (1000000 * (at < (double)now_s ? (int64_t)at : now_s));
}

enum oidc_reason
claims_check(
    const struct jval *v, const struct claims_want *want, struct claims *out)
{
	enum oidc_reason reason;

	memset(out, 0, sizeof(*out));
	if ((reason = origin_check(v, want)) != OIDC_OK ||
	    (reason = times_check(v, want)) != OIDC_OK)
		return (reason);
	if (!nonce_ok(v, want->nonce))
		return (OIDC_BAD_NONCE);
	/* A word of log-out is nobody's log-in. */
	if (json_get(v, "events") != NULL)
		return (OIDC_BAD_TYPE);
	if (!at_hash_ok(v, want))
		return (OIDC_BAD_AT_HASH);
	if ((out->sub = text(v, "sub", SUB_MAX)) == NULL)
		return (OIDC_BAD_SUBJECT);
	out->sid = text(v, "sid", SID_MAX);
	out->email = text(v, "email", EMAIL_MAX);
	out->name = text(v, "name", NAME_MAX_);
	out->email_verified = true_claim(json_get(v, "email_verified"));
	out->auth_time_us = proved_at(v, want->now_s);
	return (OIDC_OK);
}

static bool
logout_event(const struct jval *v)
{
	const struct jval *events = json_get(v, "events"), *event;

	if (events == NULL || events->type != J_OBJ)
		return (false);
	event = json_get(events, LOGOUT_EVENT);
	return (event != NULL && event->type == J_OBJ);
}

enum oidc_reason
claims_check_logout(
    const struct jval *v, const struct claims_want *want, struct claims *out)
{
	enum oidc_reason reason;
	double iat;

	memset(out, 0, sizeof(*out));
	if ((reason = origin_check(v, want)) != OIDC_OK ||
	    (reason = times_check(v, want)) != OIDC_OK)
		return (reason);
	if (!instant(v, "iat", &iat) ||
	    iat < (double)(want->now_s - LOGOUT_S - OIDC_LEEWAY_S))
		return (OIDC_EXPIRED);
	/* An ID token is no word of log-out. */
	if (json_get(v, "nonce") != NULL)
		return (OIDC_BAD_NONCE);
	if (!logout_event(v))
		return (OIDC_BAD_EVENT);
	if ((out->jti = text(v, "jti", JTI_MAX)) == NULL)
		return (OIDC_BAD_TOKEN);
	out->sub = text(v, "sub", SUB_MAX);
	out->sid = text(v, "sid", SID_MAX);
	if ((out->sub == NULL && json_get(v, "sub") != NULL) ||
	    (out->sid == NULL && json_get(v, "sid") != NULL) ||
	    (out->sub == NULL && out->sid == NULL))
		return (OIDC_BAD_SUBJECT);
	return (OIDC_OK);
}

bool
claims_mfa(const struct jval *v, const struct provider *p)
{
	const struct jval *acr = json_get(v, "acr"), *amr = json_get(v, "amr");

	for (const char *const *s = p->acr; *s != NULL; s++)
		if (acr != NULL && acr->type == J_STR && has_text(acr, *s))
			return (true);
	for (const char *const *s = p->amr; *s != NULL; s++)
		if (amr != NULL && amr->type == J_ARR && has_text(amr, *s))
			return (true);
	return (false);
}

/* "/realm_access/roles" or a member's plain name. */
static const struct jval *
claim_at(const struct jval *v, const char *path)
{
	char name[256];
	size_t n;

	if (*path != '/')
		return (json_get(v, path));
	while (v != NULL && *path == '/') {
		n = strcspn(++path, "/");
		if (v->type != J_OBJ || n >= sizeof(name))
			return (NULL);
		memcpy(name, path, n);
		name[n] = '\0';
		v = json_get(v, name);
		path += n;
	}
	return (v);
}

enum role
claims_role(const struct jval *v, const struct provider *p)
{
	const struct jval *claim =
	    p->role_claim != NULL ? claim_at(v, p->role_claim) : NULL;

	for (unsigned i = 0; i < p->nroles; i++)
		if (has_text(claim, p->roles[i].value))
			return (p->roles[i].role);
	return (p->default_role);
}
