/*
 * POST /v1/auth/login, /logout and GET /v1/me.
 *
 * What follows a right password is in login.c.
 */
#include <string.h>

#include <sodium.h>

#include "audit/audit.h"
#include "auth/auth_priv.h"
#include "crypto/crypto.h"
#include "obs/obs.h"

static const struct field login_fields[] = {
	{ "email", FIELD_STRING, F_REQUIRED, 3, 254, NULL, NULL,
	    "the account" },
	{ "password", FIELD_STRING, F_REQUIRED, 1, PASSWORD_MAX, NULL, NULL,
	    "its password" },
	{ "mode", FIELD_ENUM, 0, 0, 0, "bearer|cookie", NULL,
	    "bearer (default) for programs, cookie for browsers" },
};
const struct schema schema_login = { "Login", "Credentials.", login_fields,
	NELEM(login_fields) };

static const struct field session_fields[] = {
	{ "created_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL, "log-in" },
	{ "expires_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL,
	    "its end in any case" },
	{ "mode", FIELD_ENUM, F_REQUIRED, 0, 0, "bearer|cookie", NULL,
	    "how the token travels" },
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "its public name" },
	{ "stage", FIELD_ENUM, F_REQUIRED, 0, 0, "full|second-factor|enrol",
	    NULL, "what the log-in still lacks; full: nothing" },
	{ "amr", FIELD_ARRAY, F_REQUIRED, 0, 8, NULL, NULL,
	    "how it was proved who you are (RFC 8176)" },
	{ "step_up_until", FIELD_TIME, F_REQUIRED | F_NULLABLE, 0, 0, NULL,
	    NULL, "the proof counts as fresh until then; null: it does not" },
	{ "methods", FIELD_ARRAY, F_REQUIRED, 0, 8, NULL, NULL,
	    "what can be shown now, to go on or for a step-up" },
	{ "idle_timeout_seconds", FIELD_INTEGER, F_REQUIRED, 1, 86400, NULL,
	    NULL, "the session's end after silence" },
	{ "csrf_token", FIELD_STRING, 0, 43, 43, NULL, NULL,
	    "cookie mode: send it as X-CSRF-Token" },
};
static const struct schema schema_session = { "Session", "The session in use.",
	session_fields, NELEM(session_fields) };

static const struct field me_key_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "the key" },
	{ "prefix", FIELD_STRING, F_REQUIRED, APIKEY_PREFIX_STRLEN,
	    APIKEY_PREFIX_STRLEN, NULL, NULL, "its visible part" },
	{ "expires_at", FIELD_TIME, F_REQUIRED | F_NULLABLE, 0, 0, NULL, NULL,
	    "its end; null: none" },
};
static const struct schema schema_me_key = { "KeyInUse", "The API key in use.",
	me_key_fields, NELEM(me_key_fields) };

static const struct field me_fields[] = {
	{ "user", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_user, "you" },
	{ "session", FIELD_OBJECT, 0, 0, 0, NULL, &schema_session,
	    "this session; not with an API key" },
	{ "key", FIELD_OBJECT, 0, 0, 0, NULL, &schema_me_key,
	    "this API key; not with a session" },
	{ "password_change_required", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL,
	    NULL, "true with a one-time password" },
};
const struct schema schema_me = { "Me", "Who is asking.", me_fields,
	NELEM(me_fields) };

co_fn enum res
auth_login(struct ctx *cx)
{
	const char *mode = json_get_str(cx->body, "mode");
	struct attempt at = { .account = account_name(cx->env.arena,
				  json_get_str(cx->body, "email")) };
	struct login login = { .amr = AMR_PWD,
		.cookie = mode != NULL && strcmp(mode, "cookie") == 0,
		.attempt = &at };

	if (attempt_check(cx, &at, json_get_str(cx->body, "password")) !=
	    RES_OK)
		return (RES_ERR);
	login.user = at.user;
	if (login_complete(cx, &login) != RES_OK)
		return (RES_ERR);
	if (at.outdated)
		password_rehash_later(
		    cx, &at, json_get_str(cx->body, "password"));
	return (RES_OK);
}

void
session_cookie_clear(struct ctx *cx)
{
	reply_header(cx, "Set-Cookie",
	    SESSION_COOKIE_NAME
	    "=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
}

co_fn enum res
auth_logout(struct ctx *cx)
{
	struct audit_event ev;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "user", &cx->who->user_id);
	if (session_end(cx, &ev, cx->who) != RES_OK)
		return (RES_ERR);
	if (cx->who->cookie)
		session_cookie_clear(cx);
	reply_empty(cx, 204);
	return (RES_OK);
}

static void
write_session(struct ctx *cx, struct json_out *o, const struct principal *who)
{
	char csrf[TOKEN_STRLEN + 1];

	json_key(o, "session");
	json_obj(o);
	json_ktime(o, "created_at", who->created_us);
	json_ktime(o, "expires_at", who->expires_us);
	json_kstr(o, "mode", who->cookie ? "cookie" : "bearer");
	json_kuuid(o, "id", &who->session_id);
	login_write_proof(cx, o, who);
	if (who->cookie) {
		csrf_token(who->token_hash, csrf);
		json_kstr(o, "csrf_token", csrf);
	}
	json_obj_end(o);
}

static void
write_key(struct json_out *o, const struct apikey *key)
{
	json_key(o, "key");
	json_obj(o);
	json_kuuid(o, "id", &key->id);
	json_kstr(o, "prefix", key->prefix);
	if (key->expires_us != 0) {
		json_ktime(o, "expires_at", key->expires_us);
	} else {
		json_key(o, "expires_at");
		json_null(o);
	}
	json_obj_end(o);
}

co_fn enum res
auth_me(struct ctx *cx)
{
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	login_write_user(o, cx->who);
	if (cx->who->key != NULL)
		write_key(o, cx->who->key);
	else
		write_session(cx, o, cx->who);
	json_kbool(o, "password_change_required", cx->who->onetime);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}
