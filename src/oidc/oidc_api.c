/*
 * GET /v1/auth/providers, /v1/auth/oidc/start and /v1/auth/oidc/callback: a
 * browser's way to a provider and back.
 */
#include <string.h>

#include "oidc/oidc_priv.h"

static const struct field provider_fields[] = {
	{ "id", FIELD_STRING, F_REQUIRED, 1, 32, NULL, NULL,
	    "for /v1/auth/oidc/start" },
	{ "name", FIELD_STRING, F_REQUIRED, 1, 80, NULL, NULL,
	    "what people call it" },
};
static const struct schema schema_provider = { "LoginProvider",
	"An OpenID Connect provider.", provider_fields,
	NELEM(provider_fields) };
static const struct field providers_fields[] = {
	{ "items", FIELD_ARRAY, F_REQUIRED, 0, PROVIDERS_MAX, NULL,
	    &schema_provider, "in the order of the configuration" },
};
const struct schema schema_oidc_providers = { "LoginProviders",
	"The providers that can be logged in by.", providers_fields,
	NELEM(providers_fields) };

static const struct field start_fields[] = {
	{ "provider", FIELD_STRING, F_REQUIRED, 1, 32, NULL, NULL, "its id" },
	{ "return_to", FIELD_STRING, 0, 1, 200, NULL, NULL,
	    "a path of this server to end on" },
	{ "fresh", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL,
	    "true: the provider is to ask who it is once more" },
};
const struct schema schema_oidc_start = { "OidcStart", "Where to, and back.",
	start_fields, NELEM(start_fields) };

/* What providers send besides what is needed: closed, like every query. */
static const struct field callback_fields[] = {
	{ "code", FIELD_STRING, 0, 1, 4096, NULL, NULL, "RFC 6749" },
	{ "state", FIELD_STRING, 0, 1, 512, NULL, NULL, "RFC 6749" },
	{ "iss", FIELD_STRING, 0, 1, 1000, NULL, NULL, "RFC 9207" },
	{ "error", FIELD_STRING, 0, 1, 200, NULL, NULL, "RFC 6749" },
	{ "error_description", FIELD_STRING, 0, 0, 4000, NULL, NULL,
	    "not looked at" },
	{ "error_uri", FIELD_STRING, 0, 0, 2000, NULL, NULL, "not looked at" },
	{ "session_state", FIELD_STRING, 0, 0, 500, NULL, NULL,
	    "not looked at" },
	{ "scope", FIELD_STRING, 0, 0, 2000, NULL, NULL, "not looked at" },
	{ "authuser", FIELD_STRING, 0, 0, 200, NULL, NULL, "not looked at" },
	{ "prompt", FIELD_STRING, 0, 0, 200, NULL, NULL, "not looked at" },
	{ "hd", FIELD_STRING, 0, 0, 200, NULL, NULL, "not looked at" },
	{ "client_info", FIELD_STRING, 0, 0, 4000, NULL, NULL,
	    "not looked at" },
};
const struct schema schema_oidc_callback = { "OidcCallback",
	"What a provider answers.", callback_fields, NELEM(callback_fields) };

co_fn enum res
oidc_providers(struct ctx *cx)
{
	struct json_out *o = json_out_new(cx->env.arena);
	const struct provider *p;

	json_obj(o);
	json_key(o, "items");
	json_arr(o);
	for (unsigned i = 0; (p = provider_at(i)) != NULL; i++) {
		json_obj(o);
		json_kstr(o, "id", p->id);
		json_kstr(o, "name", p->name);
		json_obj_end(o);
	}
	json_arr_end(o);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

static co_fn enum res
refuse(struct ctx *cx, const struct provider *p, enum oidc_reason reason,
    const struct uuid *user)
{
	if (oidc_refused(cx, p, reason, user) != RES_OK)
		return (RES_ERR);
	oidc_page_refused(cx, reason);
	return (RES_OK);
}

/* Another site's link must not log anybody in without her asking: browsers
 * say who sends them (Fetch Metadata); programs say nothing. */
static bool
begun_elsewhere(struct ctx *cx)
{
	const char *site = ctx_header(cx, "sec-fetch-site");

	return (site != NULL && strcmp(site, "same-origin") != 0 &&
		strcmp(site, "none") != 0);
}

co_fn enum res
oidc_start(struct ctx *cx)
{
	struct provider *p = provider_find(json_get_str(cx->query, "provider"));
	const char *to = json_get_str(cx->query, "return_to"), *url;
	const struct jval *fresh = json_get(cx->query, "fresh");
	enum oidc_reason reason;
	struct metadata meta;

	if (p == NULL)
		return (refuse(cx, NULL, OIDC_NO_PROVIDER, NULL));
	if (begun_elsewhere(cx))
		return (refuse(cx, p, OIDC_FOREIGN_START, NULL));
	if (to == NULL)
		to = flow_return_default(cx->env.arena);
	else if (!flow_return_ok(to))
		return (refuse(cx, p, OIDC_RETURN_TO, NULL));
	if ((reason = discovery_get(cx, p, &meta)) != OIDC_OK)
		return (refuse(cx, p, reason, NULL));
	if (flow_begin(cx, p, &meta, to,
		fresh != NULL && fresh->b ? FLOW_FRESH : 0, &url) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 302);
	reply_header(cx, "Location", url);
	return (RES_OK);
}

/* Is it the provider that was asked, at the address that it was given? */
static bool
answer_fits(
    struct ctx *cx, const struct provider *p, const struct metadata *meta)
{
	const struct uuid *id = ctx_param(cx, "callback_id");
	const char *iss = json_get_str(cx->query, "iss");

	if (id != NULL ? !uuid_equal(id, &p->callback_id) :
			 !uuid_is_nil(&p->callback_id))
		return (false);
	if (iss == NULL)
		return (!meta->says_iss);
	return (strcmp(iss, p->issuer) == 0);
}

static enum oidc_reason
answer_code(struct ctx *cx, const char **code)
{
	const char *error = json_get_str(cx->query, "error");

	*code = json_get_str(cx->query, "code");
	if (error != NULL)
		return (strcmp(error, "access_denied") == 0 ?
			    OIDC_DENIED :
			    OIDC_PROVIDER_ERROR);
	return (*code != NULL ? OIDC_OK : OIDC_NO_CODE);
}

static co_fn enum oidc_reason
answer_check(struct ctx *cx, struct provider *p, const struct flow *f,
    struct code_reply *reply)
{
	struct metadata meta;
	enum oidc_reason reason;
	const char *code;

	if ((reason = discovery_get(cx, p, &meta)) != OIDC_OK)
		return (reason);
	if (!answer_fits(cx, p, &meta))
		return (OIDC_BAD_ISSUER);
	if ((reason = answer_code(cx, &code)) != OIDC_OK)
		return (reason);
	return (code_exchange(cx, p, &meta, f, code, reply));
}

static co_fn enum res
end_link(struct ctx *cx, const struct provider *p, const struct flow *f,
    const struct claims *claims)
{
	enum oidc_reason reason = OIDC_SESSION_ENDED;
	bool lives;

	cx->actor_kind = "user";
	cx->actor_id = f->link_user;
	if (session_lives(cx, &f->link_user, &f->link_session, &lives) !=
	    RES_OK)
		return (RES_ERR);
	if (lives &&
	    identity_link(cx, p, claims, &f->link_user, &reason) != RES_OK)
		return (RES_ERR);
	if (reason != OIDC_OK)
		return (refuse(cx, p, reason, &f->link_user));
	oidc_page_go_on(cx, f->return_to);
	return (RES_OK);
}

static co_fn enum res
end_login(struct ctx *cx, const struct provider *p, const struct flow *f,
    const struct code_reply *reply)
{
	struct federated fed = {
		.provider = p->id, .sid = reply->claims.sid, .amr = AMR_OIDC
	};
	enum oidc_reason reason;
	struct principal who;
	struct account user;
	struct uuid identity;
	bool linked;

	if (identity_resolve(cx, p, reply, &user, &identity, &reason) != RES_OK)
		return (RES_ERR);
	if (reason != OIDC_OK)
		return (refuse(cx, p, reason, &user.id));
	fed.user_id = user.id;
	/* A session there may be hours old: only its own proof counts. */
	fed.proved_us =
	    reply->claims.auth_time_us > 0 ? reply->claims.auth_time_us : 1;
	if (claims_mfa(reply->id_token.claims, p))
		fed.amr |= AMR_MFA;
	/* First whose the provider's session is: no session of ours may be
	 * without what ends it. */
	if (fed.sid != NULL &&
	    provider_session_note(cx, p, fed.sid, &user.id) != RES_OK)
		return (RES_ERR);
	if (identity_db_used(cx, &identity, &linked) != RES_OK)
		return (RES_ERR);
	if (!linked)
		return (refuse(cx, p, OIDC_NOT_LINKED, &user.id));
	if (login_federated(cx, &fed, &who) != RES_OK)
		return (RES_ERR);
	oidc_page_go_on(
	    cx, who.stage == STAGE_FULL ? f->return_to : "/login#continue");
	return (RES_OK);
}

/* More round trips than other requests have: a log-in by a provider is rare,
 * and each step needs the one before it. */
co_fn enum res
oidc_callback(struct ctx *cx)
{
	struct code_reply reply;
	enum oidc_reason reason;
	struct provider *p;
	struct flow f;

	if (flow_take(cx, json_get_str(cx->query, "state"), &f, &reason) !=
	    RES_OK)
		return (RES_ERR);
	p = f.provider != NULL ? provider_find(f.provider) : NULL;
	if (reason != OIDC_OK)
		return (refuse(cx, p, reason, NULL));
	if (p == NULL)
		return (refuse(cx, NULL, OIDC_NO_PROVIDER, NULL));
	if ((reason = answer_check(cx, p, &f, &reply)) != OIDC_OK)
		return (refuse(cx, p, reason, NULL));
	if (!uuid_is_nil(&f.link_user))
		return (end_link(cx, p, &f, &reply.claims));
	return (end_login(cx, p, &f, &reply));
}

void
oidc_init(void)
{
	discovery_init();
}
