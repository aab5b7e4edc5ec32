/*
 * POST /v1/auth/password: a change of one's own password. A wrong current one
 * counts as a failed log-in does. A change that another one of the account
 * overtakes does not succeed; one that succeeds ends every other session.
 */
#include <string.h>

#include "audit/audit.h"
#include "auth/auth_priv.h"

#define PASSWORD_MIN 12

static const struct field password_fields[] = {
	{ "current_password", FIELD_STRING, F_REQUIRED, 1, PASSWORD_MAX, NULL,
	    NULL, "the password in force" },
	{ "new_password", FIELD_STRING, F_REQUIRED, PASSWORD_MIN, PASSWORD_MAX,
	    NULL, NULL, "the one to come; at most 1024 bytes in UTF-8" },
};
const struct schema schema_password = { "PasswordChange",
	"A change of one's own password.", password_fields,
	NELEM(password_fields) };

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
password_store(struct ctx *cx, struct attempt *at, const char *password)
{
	const struct auth_user *user = &at->user;
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
	/* The device that was known is so by the old password. */
	if (who.cookie)
		device_cookie_set(cx, at, job->hash);
	who.onetime = false;
	return (
	    session_renew(cx, &who) == RES_OK ? RES_OK : sessions_remain(cx));
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
	    attempt_check(cx, &at, now) != RES_OK ||
	    password_store(cx, &at, next) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 204);
	return (RES_OK);
}
