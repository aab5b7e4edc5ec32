/*
 * POST /v1/auth/second-factor: completes a log-in that lacks the second factor,
 * or proves once more, for a dangerous operation, who it is. Those who have a
 * second factor show that; the password alone is for those who have none.
 *
 * A code is used up in the statement that writes its audit row: of two requests
 * with one code, to whichever worker, one succeeds.
 */
#include <string.h>

#include <sodium.h>

#include "audit/audit.h"
#include "factor/factor_priv.h"

static void
event_of(struct ctx *cx, struct audit_event *ev, const char *factor)
{
	audit_event(cx, ev, AUDIT_ALLOWED);
	audit_object(ev, "user", &cx->who->user_id);
	ev->detail = arena_printf(cx->env.arena, "{\"factor\":\"%s\"}", factor);
}

/* The code was right; was it the first to be so? */
static co_fn enum res
used_up(struct ctx *cx, const struct factor_try *t, enum res res)
{
	if (res == RES_OK)
		return (factor_try_right(cx, t));
	if (audit_refused(cx, "EL409"))
		return (factor_try_wrong(cx, t));
	(void)factor_try_undo(cx, t);
	return (audit_db_failed(cx, "user", &t->user->id));
}

static co_fn enum res
by_app(struct ctx *cx, const struct factors *f, const char *code)
{
	uint8_t secret[TOTP_SECRET_BYTES];
	struct audit_event ev;
	struct factor_try t;
	int64_t step;
	bool right;

	if (f->confirmed_us == 0)
		return (factor_conflict(cx,
		    "Your account has no authenticator app: show what "
		    "\"methods\" of the log-in lists."));
	if (factor_try_begin(cx, &f->user, "totp", &t) != RES_OK)
		return (RES_ERR);
	if (factor_secret(cx, f, secret) != RES_OK)
		return (factor_try_undo(cx, &t));
	right =
	    totp_find(secret, code, cx->now_us / 1000000, f->last_step, &step);
	sodium_memzero(secret, sizeof(secret));
	if (!right)
		return (factor_try_wrong(cx, &t));
	event_of(cx, &ev, t.factor);
	return (used_up(cx, &t, factor_db_use(cx, &ev, f->version, step)));
}

static co_fn enum res
by_recovery_code(struct ctx *cx, const struct factors *f, const char *code)
{
	uint8_t hash[DIGEST_BYTES];
	struct audit_event ev;
	struct factor_try t;

	if (!auth_has_factor(&f->user))
		return (factor_conflict(
		    cx, "Your account has no second factor to recover."));
	if (factor_try_begin(cx, &f->user, "recovery", &t) != RES_OK)
		return (RES_ERR);
	if (recovery_code_hash(&f->user.id, code, hash) != RES_OK)
		return (factor_try_wrong(cx, &t));
	event_of(cx, &ev, t.factor);
	return (used_up(cx, &t, factor_db_recover(cx, &ev, hash)));
}

static co_fn enum res
by_password(struct ctx *cx, const struct factors *f, const char *password)
{
	struct attempt at = { .account =
				  account_name(cx->env.arena, f->user.email),
		.loaded = true,
		.user = f->user };
	struct audit_event ev;

	if (auth_has_factor(&f->user))
		return (factor_conflict(cx,
		    "Your account has a second factor: the password alone is "
		    "not enough."));
	if (f->user.password_hash[0] == '\0')
		return (factor_conflict(
		    cx, "Your account has no password: log in again."));
	if (attempt_check(cx, &at, password) != RES_OK)
		return (RES_ERR);
	event_of(cx, &ev, "password");
	return (audit_append(cx, &ev));
}

static enum res
just_one(struct ctx *cx)
{
	if (cx->body->n == 1)
		return (RES_OK);
	err_field(&cx->env.err, cx->env.arena, "/code", "required",
	    "just one of code, recovery_code and password must be there");
	return (err_fail(
	    &cx->env.err, PROBLEM_VALIDATION, "1 mistake: see errors"));
}

co_fn enum res
auth_second_factor(struct ctx *cx)
{
	const char *code = json_get_str(cx->body, "code");
	const char *recovery = json_get_str(cx->body, "recovery_code");
	struct factors f;
	unsigned amr;
	enum res res;

	if (just_one(cx) != RES_OK || factors_load(cx, &f) != RES_OK)
		return (RES_ERR);
	if (code != NULL) {
		amr = AMR_OTP;
		res = by_app(cx, &f, code);
	} else if (recovery != NULL) {
		amr = AMR_RECOVERY;
		res = by_recovery_code(cx, &f, recovery);
	} else {
		amr = AMR_PWD;
		res = by_password(cx, &f, json_get_str(cx->body, "password"));
	}
	return (res == RES_OK ? login_proved(cx, amr) : RES_ERR);
}
