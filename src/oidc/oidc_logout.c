/*
 * Log-out, both ways. POST /v1/auth/oidc/logout ends our session and tells
 * where the provider's own can be ended (RP-Initiated Logout 1.0), without an
 * id_token_hint: tokens are in no URL, and none is kept. And the provider says
 * that somebody has logged out there (Back-Channel Logout 1.0): the sessions
 * that began so end here.
 */
#include <string.h>

#include "audit/audit.h"
#include "guard/guard.h"
#include "oidc/oidc_priv.h"

#define AFTER_LOGOUT "/login"

static const struct field token_fields[] = {
	{ "logout_token", FIELD_STRING, F_REQUIRED, 1, JWT_MAX, NULL, NULL,
	    "a signed token of the provider" },
};
const struct schema schema_oidc_logout_token = { "LogoutToken",
	"A provider's word that somebody has logged out.", token_fields,
	NELEM(token_fields) };

/* No state: what comes back is a visit to the log-in page, and asks for
 * nothing. */
static const char *
end_session_url(
    struct ctx *cx, const struct provider *p, const struct metadata *meta)
{
	struct buf b;

	buf_init(&b, cx->env.arena, 512);
	buf_puts(&b, meta->end_session_endpoint);
	form_add(&b, '?', "client_id", p->client_id);
	form_add(&b, '?', "post_logout_redirect_uri",
	    arena_printf(
		cx->env.arena, "%s" AFTER_LOGOUT, setting_str(SETTING_ORIGIN)));
	return (b.data);
}

co_fn enum res
oidc_logout(struct ctx *cx)
{
	struct provider *p = provider_find(cx->who->provider);
	const char *url = NULL;
	struct metadata meta;
	struct json_out *o;

	if (auth_logout(cx) != RES_OK)
		return (RES_ERR);
	if (p != NULL && discovery_get(cx, p, &meta) == OIDC_OK &&
	    meta.end_session_endpoint != NULL)
		url = end_session_url(cx, p, &meta);
	o = json_out_new(cx->env.arena);
	json_obj(o);
	json_kstr(o, "url", url);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

static struct provider *
provider_of(struct ctx *cx, const char *token, struct jwt *jwt)
{
	struct provider *p;
	const char *issuer;

	/* Only to find out whose rules to read it by. */
	if (jwt_read(cx->env.arena, token, provider_algs, jwt) != OIDC_OK ||
	    (issuer = jwt_issuer(cx->env.arena, jwt)) == NULL)
		return (NULL);
	for (unsigned i = 0; (p = provider_at(i)) != NULL; i++)
		if (strcmp(p->issuer, issuer) == 0)
			return (p);
	return (NULL);
}

static co_fn enum oidc_reason
token_check(struct ctx *cx, struct provider *p, const char *token,
    struct jwt *jwt, struct claims *claims)
{
	struct claims_want want = { .issuer = p->issuer,
		.client_id = p->client_id };
	struct metadata meta;
	enum oidc_reason reason;

	reason = jwt_read(cx->env.arena, token, p->algs, jwt);
	if (reason != OIDC_OK)
		return (reason);
	if (jwt->typ == NULL ||
	    (strcasecmp(jwt->typ, "logout+jwt") != 0 &&
		strcasecmp(jwt->typ, "application/logout+jwt") != 0))
		return (OIDC_BAD_TYPE);
	if ((reason = discovery_get(cx, p, &meta)) != OIDC_OK ||
	    (reason = jwt_verify(cx, p, jwt)) != OIDC_OK)
		return (reason);
	want.now_s = time_now_us() / 1000000;
	return (claims_check_logout(jwt->claims, &want, claims));
}

/* Whose sessions are meant: by the provider's name for the session, or for
 * the person. */
static co_fn enum res
user_of(struct ctx *cx, const struct provider *p, const struct claims *claims,
    struct uuid *user, bool *found)
{
	uint8_t subject[DIGEST_BYTES];
	struct identity i;

	if (claims->sub == NULL)
		return (provider_session_user(cx, p, claims->sid, user, found));
	identity_subject(p, claims->sub, subject);
	if (identity_db_find(cx, p, subject, &i, found) != RES_OK)
		return (RES_ERR);
	*user = i.user_id;
	return (RES_OK);
}

static co_fn enum res
end_sessions(
    struct ctx *cx, const struct provider *p, const struct claims *claims)
{
	struct audit_event ev;
	struct uuid user;
	unsigned ended = 0;
	bool found;

	if (user_of(cx, p, claims, &user, &found) != RES_OK)
		return (RES_ERR);
	if (found && sessions_end_federated(
			 cx, &user, p->id, claims->sid, &ended) != RES_OK)
		return (RES_ERR);
	audit_event(cx, &ev, AUDIT_ALLOWED);
	if (found)
		audit_object(&ev, "user", &user);
	ev.detail = arena_printf(cx->env.arena,
	    "{\"provider\":\"%s\",\"sessions\":%u}", p->id, ended);
	return (audit_append(cx, &ev));
}

static co_fn enum res
refuse(struct ctx *cx, const struct provider *p, enum oidc_reason reason,
    bool signed_by_it)
{
	/* What a provider has signed gets a row of its own; of what anybody
	 * can send, a flood must not become a flood of rows. */
	if (!signed_by_it)
		denial_note(DENIAL_SIGNATURE, &cx->client);
	else if (oidc_refused(cx, p, reason, NULL) != RES_OK)
		return (RES_ERR);
	return (err_fail(&cx->env.err,
	    reason == OIDC_DISCOVERY ? PROBLEM_UNAVAILABLE : PROBLEM_BAD_TOKEN,
	    "The logout token is refused: %s.", oidc_reason_slug(reason)));
}

co_fn enum res
oidc_backchannel(struct ctx *cx)
{
	const char *token = json_get_str(cx->body, "logout_token");
	enum oidc_reason reason;
	struct claims claims;
	struct provider *p;
	struct jwt jwt;
	bool fresh;

	if ((p = provider_of(cx, token, &jwt)) == NULL)
		return (refuse(cx, NULL, OIDC_BAD_TOKEN, false));
	reason = token_check(cx, p, token, &jwt, &claims);
	if (reason != OIDC_OK)
		return (refuse(cx, p, reason, jwt.claims != NULL));
	if (provider_token_once(cx, p, claims.jti, &fresh) != RES_OK)
		return (RES_ERR);
	if (!fresh)
		return (refuse(cx, p, OIDC_REPLAYED, true));
	if (end_sessions(cx, p, &claims) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 200);
	return (RES_OK);
}
