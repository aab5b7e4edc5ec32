/*
 * POST /v1/auth/login, /logout, /password and GET /v1/me.
 *
 * An unknown e-mail, a wrong password and a disabled account get the same
 * answer after the same work. Both outcomes of a log-in are in the audit log
 * before the reply. A log-in or a change of password that another change of the
 * account overtakes does not succeed.
 */
#include <ctype.h>
#include <string.h>

#include <sodium.h>

#include "audit/audit.h"
#include "auth/auth_priv.h"
#include "crypto/crypto.h"
#include "obs/obs.h"

#define PASSWORD_MIN 12
#define PASSWORD_MAX 1024

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

static const struct field password_fields[] = {
	{ "current_password", FIELD_STRING, F_REQUIRED, 1, PASSWORD_MAX, NULL,
	    NULL, "the password in force" },
	{ "new_password", FIELD_STRING, F_REQUIRED, PASSWORD_MIN, PASSWORD_MAX,
	    NULL, NULL, "the one to come; at most 1024 bytes in UTF-8" },
};
const struct schema schema_password = { "PasswordChange",
	"A change of one's own password.", password_fields,
	NELEM(password_fields) };

static const struct field user_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "the user" },
	{ "email", FIELD_STRING, F_REQUIRED, 3, 254, NULL, NULL, "e-mail" },
	{ "name", FIELD_STRING, F_REQUIRED, 1, 200, NULL, NULL, "full name" },
	{ "role", FIELD_ENUM, F_REQUIRED, 0, 0,
	    "admin|clinician|auditor|service", NULL, "role" },
	{ "scopes", FIELD_ARRAY, F_REQUIRED, 0, 64, NULL, NULL,
	    "what the role allows" },
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

static const struct field me_fields[] = {
	{ "user", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_user, "you" },
	{ "session", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_session,
	    "this session" },
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

/* Runs the slow check on the pool; ok is false for a dummy hash. */
static co_fn enum res
verify(struct ctx *cx, const char *password, const char *hash, bool *ok)
{
	struct password_job *job = arena_alloc(cx->env.arena, sizeof(*job));

	job->password = password;
	(void)snprintf(job->hash, sizeof(job->hash), "%s", hash);
	metric_add(METRIC_POOL_JOBS, 1);
	if (pool_run(&cx->env, password_verify_job, job) != RES_OK)
		return (RES_ERR);
	*ok = job->ok;
	return (RES_OK);
}

static co_fn enum res
login_refused(struct ctx *cx, const struct auth_user *user)
{
	struct audit_event ev;

	audit_event(cx, &ev, AUDIT_DENIED);
	if (user->found)
		audit_object(&ev, "user", &user->id);
	ev.detail = "{\"reason\":\"bad-credentials\"}";
	if (audit_append(cx, &ev) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_LOGINS_FAILURE, 1);
	return (err_fail(&cx->env.err, PROBLEM_BAD_CREDENTIALS,
	    "The e-mail or the password is wrong."));
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
	return (login_refused(cx, user));
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
login_accepted(struct ctx *cx, const struct auth_user *user)
{
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
	}
	sodium_memzero(&session, sizeof(session));
	return (res);
}

static const char *
lower(struct arena *arena, const char *s)
{
	char *copy = arena_strdup(arena, s);

	for (char *p = copy; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return (copy);
}

co_fn enum res
auth_login(struct ctx *cx)
{
	const char *email = json_get_str(cx->body, "email");
	const char *password = json_get_str(cx->body, "password");
	struct auth_user user;
	bool ok;

	email = lower(cx->env.arena, email);
	if (auth_db_by_email(cx, email, &user) != RES_OK)
		return (RES_ERR);
	if (verify(cx, password, user.found ? user.password_hash : "", &ok) !=
	    RES_OK)
		return (RES_ERR);
	if (!ok || !user.found || user.disabled || user.role == ROLE_UNSET)
		return (login_refused(cx, &user));
	return (login_accepted(cx, &user));
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

static enum res
password_acceptable(struct ctx *cx, const char *now, const char *next)
{
	const char *code = "format", *problem = NULL;

	/* The schema counts characters; hashing has a limit of bytes. */
	if (strlen(next) > PASSWORD_MAX) {
		code = "max_length";
		problem = "must have at most 1024 bytes in UTF-8";
	} else if (strcmp(now, next) == 0)
		problem = "must differ from the current password";
	else if (strcasestr(next, cx->who->email) != NULL)
		problem = "must not contain the e-mail";
	if (problem == NULL)
		return (RES_OK);
	err_field(
	    &cx->env.err, cx->env.arena, "/new_password", code, "%s", problem);
	return (err_fail(&cx->env.err, PROBLEM_VALIDATION,
	    "The new password is not acceptable."));
}

/* Another change was faster than this one. */
static co_fn enum res
password_overtaken(struct ctx *cx, const struct uuid *id)
{
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err, PROBLEM_CONFLICT,
	    "The password or the account was changed meanwhile, and this "
	    "change was not made. Log in, then decide.");
	return (audit_failed(cx, "user", id));
}

/* The change is made and recorded; it must not look as if it were not. */
static enum res
sessions_remain(struct ctx *cx)
{
	struct err why = cx->env.err;

	err_clear(&cx->env.err);
	err_private(&cx->env.err, "%s", why.private);
	return (err_fail(&cx->env.err, PROBLEM_UNAVAILABLE,
	    "The password was changed, but other sessions could not be ended "
	    "yet: they may go on until they expire. To end them, change it "
	    "again later."));
}

static co_fn enum res
password_store(
    struct ctx *cx, const struct auth_user *user, const char *password)
{
	struct password_job *job = arena_alloc(cx->env.arena, sizeof(*job));
	struct principal who = *cx->who;
	struct audit_event ev;

	job->password = password;
	job->ops = (unsigned long long)setting_int(SETTING_ARGON2_OPS);
	job->mem_bytes = (size_t)setting_int(SETTING_ARGON2_MEM_KIB) * 1024;
	if (pool_run(&cx->env, password_hash_job, job) != RES_OK)
		return (RES_ERR);
	if (!job->ok)
		return (err_fail(&cx->env.err, PROBLEM_BUSY,
		    "There is not enough memory to hash a password."));
	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "user", &user->id);
	if (auth_db_set_password(cx, &ev, user, job->hash) != RES_OK)
		return (audit_refused(cx, "EL409") ?
			    password_overtaken(cx, &user->id) :
			    audit_db_failed(cx, "user", &user->id));
	who.onetime = false;
	return (
	    session_renew(cx, &who) == RES_OK ? RES_OK : sessions_remain(cx));
}

co_fn enum res
auth_password(struct ctx *cx)
{
	const char *now = json_get_str(cx->body, "current_password");
	const char *next = json_get_str(cx->body, "new_password");
	struct auth_user user;
	bool ok;

	if (password_acceptable(cx, now, next) != RES_OK ||
	    auth_db_by_id(cx, &cx->who->user_id, &user) != RES_OK ||
	    verify(cx, now, user.found ? user.password_hash : "", &ok) !=
		RES_OK)
		return (RES_ERR);
	if (!ok || user.disabled)
		return (login_refused(cx, &user));
	if (password_store(cx, &user, next) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 204);
	return (RES_OK);
}

co_fn enum res
auth_me(struct ctx *cx)
{
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	write_user(o, cx->who);
	json_key(o, "session");
	json_obj(o);
	json_ktime(o, "created_at", cx->who->created_us);
	json_ktime(o, "expires_at", cx->who->expires_us);
	json_kstr(o, "mode", cx->who->cookie ? "cookie" : "bearer");
	json_obj_end(o);
	json_kbool(o, "password_change_required", cx->who->onetime);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}
