/*
 * What an account has for a second factor: its authenticator app, whose secret
 * is sealed to user and version, and its recovery codes. What changes them
 * tells their owner by mail, in the same transaction.
 */
#include <string.h>

#include <sodium.h>

#include "audit/audit.h"
#include "factor/factor_priv.h"

co_fn enum res
factors_load(struct ctx *cx, struct factors *f)
{
	if (factor_db_load(cx, &cx->who->user_id, f) != RES_OK)
		return (RES_ERR);
	if (f->user.found && !f->user.disabled && !f->user.deleted)
		return (RES_OK);
	return (err_fail(&cx->env.err, PROBLEM_UNAUTHENTICATED,
	    "The account has changed: log in again."));
}

co_fn enum res
factor_conflict(struct ctx *cx, const char *why)
{
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err, PROBLEM_CONFLICT, "%s", why);
	return (audit_failed(cx, "user", &cx->who->user_id));
}

co_fn enum res
session_is_over(struct ctx *cx)
{
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err, PROBLEM_UNAUTHENTICATED,
	    "The session has ended meanwhile: log in again.");
	return (audit_failed(cx, "user", &cx->who->user_id));
}

struct seal_place
factor_place(const struct uuid *user, int32_t version)
{
	return ((struct seal_place){ "totp", "secret", *user, version });
}

co_fn enum res
factor_secret(
    struct ctx *cx, const struct factors *f, uint8_t secret[TOTP_SECRET_BYTES])
{
	struct seal_place place = factor_place(&f->user.id, f->version);
	const char *plain;
	size_t len;

	if (account_open(cx->env.arena, &place, f->sealed, f->sealed_len,
		&plain, &len) != RES_OK ||
	    len != TOTP_SECRET_BYTES)
		return (audit_broken(cx, "user", &f->user.id));
	memcpy(secret, plain, len);
	return (RES_OK);
}

void
recovery_set_new(const struct uuid *user, struct recovery_set *set)
{
	for (unsigned i = 0; i < RECOVERY_CODES; i++) {
		recovery_code_new(set->code[i]);
		(void)recovery_code_hash(user, set->code[i], set->hash[i]);
	}
}

void
recovery_set_write(struct json_out *o, struct recovery_set *set)
{
	json_key(o, "recovery_codes");
	json_arr(o);
	for (unsigned i = 0; i < RECOVERY_CODES; i++)
		json_str(o, set->code[i]);
	json_arr_end(o);
	sodium_memzero(set, sizeof(*set));
}

/* ---- changes ---------------------------------------------------------------
 */

co_fn enum res
factor_change_begin(struct ctx *cx, struct db_tx **tx)
{
	if (db_begin(&cx->env, tx) != RES_OK)
		return (RES_ERR);
	cx->env.tx = *tx;
	return (RES_OK);
}

static co_fn enum res
tell(struct ctx *cx, const struct auth_user *user, enum mail_kind kind,
    const char *what)
{
	char when[TIME_STRLEN + 1];
	const char *const values[] = { "name", user->name, "factor", what,
		"when", when, NULL };

	time_format(cx->now_us, when);
	return (mail_send(&cx->env, kind, user->email, values));
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

co_fn enum res
factor_change_end(struct ctx *cx, struct db_tx *tx, enum res res,
    const struct auth_user *user, enum mail_kind kind, const char *what)
{
	if (res == RES_OK)
		res = tell(cx, user, kind, what);
	if (res == RES_OK)
		res = db_commit(&cx->env, tx);
	cx->env.tx = NULL;
	if (res != RES_OK)
		take_back(cx, tx);
	return (res);
}
