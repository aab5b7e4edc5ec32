/*
 * POST /v1/auth/login, /logout and GET /v1/me.
 *
 * Both outcomes of a log-in are in the audit log before the reply. A log-in
 * that a change of the account overtakes does not succeed.
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

static const struct field user_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "the user" },
	{ "email", FIELD_STRING, F_REQUIRED, 3, 254, NULL, NULL, "e-mail" },
	{ "name", FIELD_STRING, F_REQUIRED, 1, 200, NULL, NULL, "full name" },
	{ "role", FIELD_ENUM, F_REQUIRED, 0, 0,
	    "admin|clinician|auditor|service", NULL, "role" },
	{ "scopes", FIELD_ARRAY, F_REQUIRED, 0, 64, NULL, NULL,
	    "what the role, and the API key in use, allow" },
};
static const struct schema schema_user = { "User", "A user.", user_fields,
	NELEM(user_fields) };

static const struct field session_fields[] = {
	{ "created_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL, "log-in" },
	{ "expires_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL,
	    "its end in any case" },
	{ "mode", FIELD_ENUM, F_REQUIRED, 0, 0, "bearer|cookie", NULL,
	    "how the token travels" },
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

static const struct field login_reply_fields[] = {
	{ "token", FIELD_STRING, 0, 43, 43, NULL, NULL,
	    "bearer mode: send it as Authorization: Bearer" },
	{ "csrf_token", FIELD_STRING, 0, 43, 43, NULL, NULL,
	    "cookie mode: send it as X-CSRF-Token" },
	{ "expires_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL,
	    "the session's end in any case" },
	{ "idle_timeout_seconds", FIELD_INTEGER, F_REQUIRED, 1, 86400, NULL,
	    NULL, "the session's end after silence" },
	{ "password_change_required", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL,
	    NULL, "true: only the password can be changed" },
	{ "user", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_user,
	    "who logged in" },
};
const struct schema schema_login_reply = { "LoginReply", "A new session.",
	login_reply_fields, NELEM(login_reply_fields) };

static void
write_user(struct json_out *o, const struct principal *who)
{
	json_key(o, "user");
	json_obj(o);
	json_kuuid(o, "id", &who->user_id);
	json_kstr(o, "email", who->email);
	json_kstr(o, "name", who->name);
	json_kstr(o, "role", role_name(who->role));
	json_key(o, "scopes");
	scopes_write(o, who->scopes);
	json_obj_end(o);
}

static co_fn enum res
login_failed(struct ctx *cx, const struct auth_user *user)
{
	metric_add(METRIC_LOGINS_ERROR, 1);
	return (audit_failed(cx, "user", &user->id));
}

static bool
same_account(const struct auth_user *then, const struct auth_user *now)
{
	return (now->found && !now->disabled && now->role == then->role &&
		strcmp(now->password_hash, then->password_hash) == 0);
}

/*
 * Whoever changes an account commits that first, then ends its sessions. A
 * session that was too late to be among them began after the change, sees it
 * here, and ends itself.
 */
static co_fn enum res
login_recheck(
    struct ctx *cx, const struct auth_user *user, const struct principal *who)
{
	struct auth_user now;
	enum res res = auth_db_by_id(cx, &user->id, &now);

	if (res == RES_OK && same_account(user, &now))
		return (RES_OK);
	/* Should it fail: nobody was told the token. */
	(void)session_destroy(cx, who);
	if (res != RES_OK)
		return (login_failed(cx, user));
	err_clear(&cx->env.err);
	return (attempt_refused(cx, user, NULL));
}

static void
login_reply(struct ctx *cx, const struct principal *who,
    const struct session_new *session)
{
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	if (who->cookie) {
		reply_header(cx, "Set-Cookie",
		    arena_printf(cx->env.arena,
			SESSION_COOKIE_NAME
			"=%s; Path=/; Secure; HttpOnly; SameSite=Strict",
			session->token));
		json_kstr(o, "csrf_token", session->csrf);
	} else {
		json_kstr(o, "token", session->token);
	}
	json_ktime(o, "expires_at", session->expires_us);
	json_kint(
	    o, "idle_timeout_seconds", setting_int(SETTING_SESSION_IDLE_S));
	json_kbool(o, "password_change_required", who->onetime);
	write_user(o, who);
	json_obj_end(o);
	reply_json(cx, 200, o);
}

static co_fn enum res
login_accepted(struct ctx *cx, struct attempt *at)
{
	const struct auth_user *user = &at->user;
	const char *mode = json_get_str(cx->body, "mode");
	struct principal who = { .user_id = user->id,
		.role = user->role,
		.scopes = role_scopes(user->role),
		.email = user->email,
		.name = user->name,
		.cookie = mode != NULL && strcmp(mode, "cookie") == 0,
		.onetime = user->onetime };
	struct session_new session;
	struct audit_event ev;
	enum res res;

	cx->actor_kind = "user";
	cx->actor_id = user->id;
	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "user", &user->id);
	if (audit_append(cx, &ev) != RES_OK)
		return (RES_ERR);
	if (session_create(cx, &who, &session) != RES_OK)
		return (login_failed(cx, user));
	res = login_recheck(cx, user, &who);
	if (res == RES_OK) {
		metric_add(METRIC_LOGINS_SUCCESS, 1);
		login_reply(cx, &who, &session);
		if (who.cookie)
			device_cookie_set(cx, at, user->password_hash);
	}
	sodium_memzero(&session, sizeof(session));
	return (res);
}

co_fn enum res
auth_login(struct ctx *cx)
{
	struct attempt at = { .account = account_name(cx->env.arena,
				  json_get_str(cx->body, "email")) };

	if (attempt_check(cx, &at, json_get_str(cx->body, "password")) !=
	    RES_OK)
		return (RES_ERR);
	return (login_accepted(cx, &at));
}

co_fn enum res
auth_logout(struct ctx *cx)
{
	struct audit_event ev;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "user", &cx->who->user_id);
	if (audit_append(cx, &ev) != RES_OK ||
	    session_destroy(cx, cx->who) != RES_OK)
		return (RES_ERR);
	if (cx->who->cookie)
		reply_header(cx, "Set-Cookie",
		    SESSION_COOKIE_NAME
		    "=; Path=/; Secure; HttpOnly; SameSite=Strict; "
		    "Max-Age=0");
	reply_empty(cx, 204);
	return (RES_OK);
}

static void
write_session(struct json_out *o, const struct principal *who)
{
	json_key(o, "session");
	json_obj(o);
	json_ktime(o, "created_at", who->created_us);
	json_ktime(o, "expires_at", who->expires_us);
	json_kstr(o, "mode", who->cookie ? "cookie" : "bearer");
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
	write_user(o, cx->who);
	if (cx->who->key != NULL)
		write_key(o, cx->who->key);
	else
		write_session(o, cx->who);
	json_kbool(o, "password_change_required", cx->who->onetime);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}
