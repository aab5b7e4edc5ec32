/*
 * One try of a password. The back-off comes first: what it refuses costs
 * neither a statement nor Argon2's time, and looks the same whether there is
 * such an account or not. So do an unknown e-mail, a wrong password and a
 * disabled account: all are looked up, hashed and recorded.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "auth/auth_priv.h"
#include "obs/obs.h"

const char *
account_name(struct arena *arena, const char *email)
{
	char *copy = arena_strdup(arena, email);

	for (char *p = copy; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return (copy);
}

/* Runs the slow check on the pool; ok is false for a dummy hash. */
static co_fn enum res
verify(struct ctx *cx, const char *password, const char *hash, bool *ok,
    bool *rehash)
{
	struct password_job *job = arena_alloc(cx->env.arena, sizeof(*job));

	job->password = password;
	(void)snprintf(job->hash, sizeof(job->hash), "%s", hash);
	metric_add(METRIC_POOL_JOBS, 1);
	if (pool_run(&cx->env, password_verify_job, job) != RES_OK)
		return (RES_ERR);
	*ok = job->ok;
	*rehash = job->rehash;
	return (RES_OK);
}

/* PostgreSQL's lower() also knows letters past ASCII that become ASCII ones
 * (the Kelvin sign): each spelling of a name would have counters of its own. */
static co_fn enum res
load(struct ctx *cx, struct attempt *at)
{
	struct auth_user *user = &at->user;

	if (at->loaded)
		return (RES_OK);
	if (auth_db_by_email(cx, at->account, user) != RES_OK)
		return (RES_ERR);
	at->loaded = true;
	if (user->found &&
	    strcmp(account_name(cx->env.arena, user->email), at->account) != 0)
		user->found = false;
	return (RES_OK);
}

/*
 * Whether the device's password is still the one in force takes the account:
 * looked up before the back-off only for who shows a token for it, and knows
 * therefore that it exists.
 */
static co_fn enum res
recognise(struct ctx *cx, struct attempt *at)
{
	if (!device_cookie_of(cx, at->account, &at->device))
		return (RES_OK);
	if (load(cx, at) != RES_OK)
		return (RES_ERR);
	at->known = at->user.found &&
		    device_current(&at->device, at->user.password_hash);
	return (RES_OK);
}

co_fn enum res
attempt_refused(
    struct ctx *cx, const struct auth_user *user, const struct lockout *lockout)
{
	struct audit_ticket *ticket;
	struct audit_event ev;

	audit_event(cx, &ev, AUDIT_DENIED);
	if (user->found)
		audit_object(&ev, "user", &user->id);
	ev.detail = "{\"reason\":\"bad-credentials\"}";
	/* Started first, waited for last: one commit for all of them. */
	if (audit_start(cx, &ev, &ticket) != RES_OK ||
	    (lockout != NULL &&
		lockout_failed(cx, lockout, &user->id) != RES_OK) ||
	    audit_wait(cx, ticket) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_LOGINS_FAILURE, 1);
	return (err_fail(&cx->env.err, PROBLEM_BAD_CREDENTIALS,
	    "The e-mail or the password is wrong."));
}

/* A log-in asks Redis three times more than other requests do: each of these
 * steps must have happened before the next may begin. */
co_fn enum res
attempt_check(struct ctx *cx, struct attempt *at, const char *password)
{
	const struct auth_user *user = &at->user;
	bool ok;

	if (recognise(cx, at) != RES_OK)
		return (RES_ERR);
	lockout_begin(&at->lockout, LOCKOUT_PASSWORD, at->account,
	    at->known ? &at->device : NULL);
	if (lockout_check(cx, &at->lockout) != RES_OK)
		return (RES_ERR);
	if (load(cx, at) != RES_OK ||
	    verify(cx, password, user->found ? user->password_hash : "", &ok,
		&at->outdated) != RES_OK) {
		lockout_undo(cx, &at->lockout);
		return (RES_ERR);
	}
	if (!ok || !user->found || user->disabled || user->role == ROLE_UNSET)
		return (attempt_refused(cx, user, &at->lockout));
	return (lockout_succeeded(cx, &at->lockout));
}
