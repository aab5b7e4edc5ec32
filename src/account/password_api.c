/*
 * POST /v1/auth/password: a change of one's own password. A wrong current one
 * counts as a failed log-in does. A change that another one of the account
 * overtakes does not succeed; one that succeeds ends every other session,
 * and this one goes on under a new token.
 */
#include <string.h>

#include "account/account_priv.h"
#include "audit/audit.h"
#include "mail/mail.h"

static const struct field password_fields[] = {
	{ "current_password", FIELD_STRING, F_REQUIRED, 1, PASSWORD_MAX, NULL,
	    NULL, "the password in force" },
	{ "new_password", FIELD_STRING, F_REQUIRED, 8, PASSWORD_MAX, NULL, NULL,
	    "the one to come; at least PASSWORD_MIN characters of any kind, at "
	    "most 1024 bytes in UTF-8" },
};
const struct schema schema_password = { "PasswordChange",
	"A change of one's own password.", password_fields,
	NELEM(password_fields) };

static enum res
password_acceptable(struct ctx *cx, const char *now, const char *next)
{
	if (strcmp(now, next) != 0)
		return (password_policy_check(
		    cx, "/new_password", next, cx->who->email, cx->who->name));
	err_field(&cx->env.err, cx->env.arena, "/new_password", "format",
	    "must differ from the current password");
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
session_lost(struct ctx *cx)
{
	struct err why = cx->env.err;

	err_clear(&cx->env.err);
	err_private(&cx->env.err, "%s", why.private);
	if (why.problem == PROBLEM_UNAUTHENTICATED)
		return (err_fail(&cx->env.err, PROBLEM_UNAUTHENTICATED,
		    "The password was changed, but this session has ended "
		    "meanwhile: log in with the new one."));
	return (err_fail(&cx->env.err, PROBLEM_UNAVAILABLE,
	    "The password was changed, and every session has ended; this one "
	    "could not go on. Log in with the new password."));
}

/* Every other session ends, and this one gets a new token. */
static co_fn enum res
password_session(struct ctx *cx, const struct auth_user *user)
{
	struct principal who = *cx->who;
	struct session_new session;

	who.onetime = false;
	who.sessions_from_us = user->sessions_from_us;
	/* What the account has, not what it had when the session began. */
	if (!auth_has_factor(user))
		who.proved_us = cx->now_us;
	if (session_replace(cx, &who, true, &session) != RES_OK)
		return (session_lost(cx));
	login_reply(cx, &who, &session);
	return (RES_OK);
}

/* ROLLBACK succeeds, but what is to be told is why it was needed. */
static co_fn void
take_back(struct ctx *cx, struct db_tx *tx)
{
	char state[sizeof(cx->env.sqlstate)];
	struct err why = cx->env.err;

	memcpy(state, cx->env.sqlstate, sizeof(state));
	db_rollback(&cx->env, tx);
	memcpy(cx->env.sqlstate, state, sizeof(state));
	cx->env.err = why;
}

/* The change and the mail about it are one transaction: four round trips
 * instead of one, which nobody feels beside Argon2id. */
static co_fn enum res
password_commit(struct ctx *cx, const struct audit_event *ev,
    struct auth_user *user, const char *hash)
{
	const char *const values[] = { "name", user->name, "when",
		mail_when(cx->env.arena, cx->now_us), "network",
		cx->who->network, "device", cx->who->device, NULL };
	struct db_tx *tx;
	enum res res;

	if (db_begin(&cx->env, &tx) != RES_OK)
		return (RES_ERR);
	cx->env.tx = tx;
	res = auth_db_set_password(cx, ev, user, hash);
	if (res == RES_OK)
		res = mail_send(
		    &cx->env, MAIL_PASSWORD_CHANGED, user->email, values);
	if (res == RES_OK)
		res = db_commit(&cx->env, tx);
	cx->env.tx = NULL;
	if (res != RES_OK)
		take_back(cx, tx);
	return (res);
}

static co_fn enum res
password_store(struct ctx *cx, struct attempt *at, const char *password)
{
	struct auth_user *user = &at->user;
	struct password_job *job = arena_alloc(cx->env.arena, sizeof(*job));
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
	if (password_commit(cx, &ev, user, job->hash) != RES_OK)
		return (audit_refused(cx, "EL409") ?
			    password_overtaken(cx, &user->id) :
			    audit_db_failed(cx, "user", &user->id));
	/* The device that was known is so by the old password. */
	if (cx->who->cookie)
		device_cookie_set(cx, at, job->hash);
	return (password_session(cx, user));
}

co_fn enum res
auth_password(struct ctx *cx)
{
	const char *now = json_get_str(cx->body, "current_password");
	const char *next = json_get_str(cx->body, "new_password");
	struct attempt at = { .account =
				  account_name(cx->env.arena, cx->who->email),
		.loaded = true };

	if (password_acceptable(cx, now, next) != RES_OK ||
	    auth_db_by_id(cx, &cx->who->user_id, &at.user) != RES_OK ||
	    attempt_check(cx, &at, now) != RES_OK)
		return (RES_ERR);
	return (password_store(cx, &at, next));
}
