/*
 * From an authorization code to somebody's name (RFC 6749, 4.1.3; RFC 7636,
 * 4.5; OpenID Connect Core, 3.1.3). Only the ID token says who it is; the
 * access token is used for nothing but its hash, and a refresh token is not
 * looked at.
 */
#include <sodium.h>
#include <string.h>

#include "obs/obs.h"
#include "oidc/oidc_priv.h"

#define REPLY_MAX 131072
#define VARIANT   sodium_base64_VARIANT_ORIGINAL

/* Both are form-encoded first (RFC 6749, 2.3.1). */
static const char *
basic(struct arena *arena, const struct provider *p)
{
	struct buf b;
	char *text;
	size_t len;

	buf_init(&b, arena, 256);
	form_escape(&b, p->client_id);
	buf_putc(&b, ':');
	form_escape(&b, p->client_secret);
	len = sodium_base64_encoded_len(b.len, VARIANT);
	text = arena_alloc(arena, len);
	sodium_bin2base64(
	    text, len, (const unsigned char *)b.data, b.len, VARIANT);
	return (arena_printf(arena, "Basic %s", text));
}

static co_fn enum oidc_reason
ask(struct ctx *cx, const struct provider *p, const struct metadata *meta,
    const struct flow *f, const char *code, struct jval **reply)
{
	struct provider_request req = { .url = meta->token_endpoint,
		.max = REPLY_MAX };
	const char *why;
	struct buf b;

	buf_init(&b, cx->env.arena, 512);
	form_add(&b, '\0', "grant_type", "authorization_code");
	form_add(&b, '\0', "code", code);
	form_add(&b, '\0', "redirect_uri", p->redirect_uri);
	form_add(&b, '\0', "code_verifier", f->verifier);
	if (p->auth == CLIENT_AUTH_BASIC)
		req.authorization = basic(cx->env.arena, p);
	else
		form_add(&b, '\0', "client_id", p->client_id);
	if (p->auth == CLIENT_AUTH_POST)
		form_add(&b, '\0', "client_secret", p->client_secret);
	req.form = b.data;
	if (provider_fetch(&cx->env, &req, reply, &why) == RES_OK)
		return (OIDC_OK);
	log_event(LOG_LEVEL_WARN, "oidc.token",
	    "provider %s: its token endpoint: %s", p->id, why);
	return (OIDC_TOKEN_ENDPOINT);
}

/* Typed as an ID token or not at all (RFC 8725, 3.11). */
static bool
type_ok(const char *typ)
{
	return (typ == NULL || strcasecmp(typ, "JWT") == 0 ||
		strcasecmp(typ, "application/jwt") == 0);
}

co_fn enum oidc_reason
code_exchange(struct ctx *cx, struct provider *p, const struct metadata *meta,
    const struct flow *f, const char *code, struct code_reply *out)
{
	struct claims_want want = { .issuer = p->issuer,
		.client_id = p->client_id,
		.nonce = f->nonce,
		.max_age_s = p->max_age_s };
	const char *token;
	struct jval *reply;
	enum oidc_reason reason;

	memset(out, 0, sizeof(*out));
	if ((reason = ask(cx, p, meta, f, code, &reply)) != OIDC_OK)
		return (reason);
	want.access_token = json_get_str(reply, "access_token");
	if ((token = json_get_str(reply, "id_token")) == NULL)
		return (OIDC_BAD_TOKEN);
	reason = jwt_read(cx->env.arena, token, p->algs, &out->id_token);
	if (reason != OIDC_OK)
		return (reason);
	if (!type_ok(out->id_token.typ))
		return (OIDC_BAD_TYPE);
	if ((reason = jwt_verify(cx, p, &out->id_token)) != OIDC_OK)
		return (reason);
	want.alg = out->id_token.alg;
	want.now_s = time_now_us() / 1000000;
	return (claims_check(out->id_token.claims, &want, &out->claims));
}
