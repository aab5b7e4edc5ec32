/*
 * One try of a second factor's code. The back-off comes first, with counters
 * of its own (guard/lockout.c): a code has six digits, so what keeps it from
 * being guessed is how few tries there are. A session that has shown a password
 * only has fewer still, and then the password must be shown again: whoever
 * guesses here knows it.
 *
 * A wrong code, one that was used before, and a recovery code that is none are
 * told alike.
 */
#include <string.h>

#include <hiredis/hiredis.h>

#include "audit/audit.h"
#include "factor/factor_priv.h"
#include "obs/obs.h"

/* KEYS: the tries of one session; ARGV: for how long. */
static struct redis_script tries_script = { "factor_tries",
	"local n = redis.call('INCR', KEYS[1]) "
	"redis.call('EXPIRE', KEYS[1], ARGV[1]) return n",
	"", NULL };

__attribute__((constructor)) static void
tries_register(void)
{
	redis_register(&tries_script);
}

/* Counted before the code is looked at: many at once are no more tries. */
static co_fn enum res
count_try(struct ctx *cx, bool *last, bool *over)
{
	char id[UUID_STRLEN + 1];
	const char *argv[2];
	size_t len[2];
	struct redisReply *r;

	*last = *over = false;
	if (cx->who->stage != STAGE_SECOND_FACTOR)
		return (RES_OK);
	uuid_format(&cx->who->session_id, id);
	argv[0] = arena_printf(cx->env.arena, "t:%s", id);
	argv[1] = arena_printf(cx->env.arena, "%d", (int)SESSION_UNFINISHED_S);
	len[0] = strlen(argv[0]);
	len[1] = strlen(argv[1]);
	if (redis_eval(&cx->env, &tries_script, 1, NELEM(argv), argv, len,
		&r) != RES_OK)
		return (RES_ERR);
	*last = r->type != REDIS_REPLY_INTEGER || r->integer >= FACTOR_TRIES;
	*over = r->type != REDIS_REPLY_INTEGER || r->integer > FACTOR_TRIES;
	return (RES_OK);
}

co_fn enum res
factor_try_begin(struct ctx *cx, const struct auth_user *user,
    const char *factor, struct factor_try *t)
{
	const char *account = account_name(cx->env.arena, user->email);
	bool over;

	memset(t, 0, sizeof(*t));
	t->user = user;
	t->factor = factor;
	/* No device counts for itself here: the password alone makes a new one
	 * known with each log-in. */
	lockout_begin(&t->lockout, LOCKOUT_SECOND_FACTOR, account, NULL);
	if (lockout_check(cx, &t->lockout) != RES_OK)
		return (RES_ERR);
	if (count_try(cx, &t->last, &over) != RES_OK)
		return (factor_try_undo(cx, t));
	return (over ? factor_try_wrong(cx, t) : RES_OK);
}

/* Her password is known to whoever this was. A mail that cannot be queued
 * changes nothing about the refusal. */
static co_fn void
warn_owner(struct ctx *cx, const struct auth_user *user)
{
	char when[TIME_STRLEN + 1];
	const char *const values[] = { "name", user->name, "when", when,
		"device", cx->who->device, "network", cx->who->network, NULL };

	time_format(cx->now_us, when);
	if (mail_send(&cx->env, MAIL_FACTOR_FAILED, user->email, values) !=
	    RES_OK)
		log_event(LOG_LEVEL_WARN, "auth.mail",
		    "a notice of failed second factors was not queued");
	err_clear(&cx->env.err);
}

co_fn enum res
factor_try_wrong(struct ctx *cx, const struct factor_try *t)
{
	struct audit_ticket *ticket;
	struct audit_event ev;

	err_clear(&cx->env.err);
	audit_event(cx, &ev, AUDIT_DENIED);
	audit_object(&ev, "user", &t->user->id);
	ev.detail = arena_printf(cx->env.arena,
	    "{\"reason\":\"bad-credentials\",\"factor\":\"%s\"%s}", t->factor,
	    t->last ? ",\"session_ended\":true" : "");
	/* Started first, waited for last: one commit for all of them. */
	if (audit_start(cx, &ev, &ticket) != RES_OK ||
	    lockout_failed(cx, &t->lockout, &t->user->id) != RES_OK ||
	    audit_wait(cx, ticket) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_SECOND_FACTORS_FAILURE, 1);
	if (t->last) {
		if (session_destroy(cx, cx->who) != RES_OK)
			return (RES_ERR);
		warn_owner(cx, t->user);
	}
	return (err_fail(&cx->env.err, PROBLEM_BAD_CREDENTIALS,
	    t->last ? "The code is wrong or was used before. That was the "
		      "last try of this log-in: begin again." :
		      "The code is wrong or was used before."));
}

co_fn enum res
factor_try_right(struct ctx *cx, const struct factor_try *t)
{
	metric_add(METRIC_SECOND_FACTORS_SUCCESS, 1);
	return (lockout_succeeded(cx, &t->lockout));
}

co_fn enum res
factor_try_undo(struct ctx *cx, const struct factor_try *t)
{
	lockout_undo(cx, &t->lockout);
	return (RES_ERR);
}
