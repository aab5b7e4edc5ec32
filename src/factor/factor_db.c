/*
 * SQL of second factors: functions of schema eleusis. Changes carry their
 * audit row in the same statement, so a code that was used up is in the log.
 */
#include <string.h>

#include "audit/audit.h"
#include "factor/factor_priv.h"

DB_STATEMENT(factor_get, DB_READ,
    "SELECT version, secret, created_at, confirmed_at, last_step, codes_left"
    " FROM eleusis.second_factor_get($1)")
DB_STATEMENT(factor_begin, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.totp_begin($12, $13, $14)")
DB_STATEMENT(factor_confirm, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.totp_confirm($12, $13, $14, $15)")
DB_STATEMENT(
    factor_use, DB_WRITE, AUDIT_WITH "SELECT eleusis.totp_use($12, $13, $14)")
DB_STATEMENT(
    factor_remove, DB_WRITE, AUDIT_WITH "SELECT eleusis.totp_remove($12, $13)")
DB_STATEMENT(factor_recover, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.recovery_code_use($12, $13)")
DB_STATEMENT(factor_codes, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.recovery_codes_replace($12, $13)")
DB_STATEMENT(factor_reset, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.factors_reset($12, $13, $14)")

static void
map(const struct db_rows *r, struct factors *f)
{
	f->version = db_col_int4(r, 0, 0);
	if (!db_is_null(r, 0, 1)) {
		f->sealed = db_col_bytes(r, 0, 1, &f->sealed_len);
		f->begun_us = db_col_time(r, 0, 2);
	}
	if (!db_is_null(r, 0, 3))
		f->confirmed_us = db_col_time(r, 0, 3);
	f->last_step = db_col_int8(r, 0, 4);
	f->codes_left = db_col_int4(r, 0, 5);
}

/* The two statements are under way at the same time. */
co_fn enum res
factor_db_load(struct ctx *cx, const struct uuid *user, struct factors *f)
{
	struct db_args a;
	struct db_rows *r;
	struct db_op *op;

	memset(f, 0, sizeof(*f));
	db_args(&a, &cx->env);
	db_uuid(&a, user);
	if (db_start(&cx->env, &factor_get, &a, &op) != RES_OK ||
	    auth_db_by_id(cx, user, &f->user) != RES_OK ||
	    db_wait(&cx->env, op, &r) != RES_OK)
		return (RES_ERR);
	if (db_count(r) == 1)
		map(r, f);
	return (RES_OK);
}

static void
change_args(struct ctx *cx, struct db_args *a, const struct audit_event *ev)
{
	db_args(a, &cx->env);
	audit_bind(a, ev);
	db_uuid(a, &cx->who->user_id);
}

static co_fn enum res
run(struct ctx *cx, struct db_stmt *s, struct db_args *a)
{
	struct db_rows *r;

	return (db_exec(&cx->env, s, a, &r));
}

static void
bind_hashes(struct db_args *a, const struct recovery_set *set)
{
	struct db_array hashes;

	db_array(&hashes, a->arena, DB_OID_BYTEA);
	for (unsigned i = 0; i < RECOVERY_CODES; i++)
		db_array_add(&hashes, set->hash[i], DIGEST_BYTES);
	db_array_bind(a, &hashes);
}

co_fn enum res
factor_db_begin(struct ctx *cx, const struct audit_event *ev, int32_t version,
    const void *sealed, size_t len)
{
	struct db_args a;

	change_args(cx, &a, ev);
	db_int4(&a, version);
	db_bytes(&a, sealed, len);
	return (run(cx, &factor_begin, &a));
}

co_fn enum res
factor_db_confirm(struct ctx *cx, const struct audit_event *ev, int32_t version,
    int64_t step, const struct recovery_set *set)
{
	struct db_args a;

	change_args(cx, &a, ev);
	db_int4(&a, version);
	db_int8(&a, step);
	bind_hashes(&a, set);
	return (run(cx, &factor_confirm, &a));
}

co_fn enum res
factor_db_use(
    struct ctx *cx, const struct audit_event *ev, int32_t version, int64_t step)
{
	struct db_args a;

	change_args(cx, &a, ev);
	db_int4(&a, version);
	db_int8(&a, step);
	return (run(cx, &factor_use, &a));
}

co_fn enum res
factor_db_remove(struct ctx *cx, const struct audit_event *ev, bool needed)
{
	struct db_args a;

	change_args(cx, &a, ev);
	db_bool(&a, needed);
	return (run(cx, &factor_remove, &a));
}

co_fn enum res
factor_db_recover(
    struct ctx *cx, const struct audit_event *ev, const uint8_t *hash)
{
	struct db_args a;

	change_args(cx, &a, ev);
	db_bytes(&a, hash, DIGEST_BYTES);
	return (run(cx, &factor_recover, &a));
}

co_fn enum res
factor_db_codes(struct ctx *cx, const struct audit_event *ev,
    const struct recovery_set *set)
{
	struct db_args a;

	change_args(cx, &a, ev);
	bind_hashes(&a, set);
	return (run(cx, &factor_codes, &a));
}

co_fn enum res
factor_db_reset(
    struct ctx *cx, const struct audit_event *ev, const struct uuid *user)
{
	struct db_args a;

	change_args(cx, &a, ev);
	db_text(&a, role_name(cx->who->role));
	db_uuid(&a, user);
	return (run(cx, &factor_reset, &a));
}
