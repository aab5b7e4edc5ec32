/*
 * SQL of the outbox.
 */
#include <string.h>

#include "mail/mail_priv.h"

DB_STATEMENT(mail_queue, DB_WRITE, "SELECT eleusis.mail_queue($1, $2, $3)")

DB_STATEMENT(mail_lease, DB_WRITE,
    "SELECT id, kind, sealed, attempts, age_seconds"
    " FROM eleusis.mail_lease($1, $2, $3)")

DB_STATEMENT(mail_sent, DB_WRITE, "SELECT eleusis.mail_sent($1, $2)")

DB_STATEMENT(mail_retry, DB_WRITE, "SELECT eleusis.mail_retry($1, $2, $3, $4)")

DB_STATEMENT(
    mail_give_up, DB_WRITE, "SELECT eleusis.mail_give_up($1, $2, $3, $4)")

DB_STATEMENT(mail_sweep, DB_WRITE, "SELECT eleusis.mail_sweep($1)")

co_fn enum res
mail_db_queue(struct env *env, const struct mail_row *m)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, env);
	db_uuid(&a, &m->id);
	db_text(&a, m->kind);
	db_bytes(&a, m->sealed, m->len);
	return (db_exec(env, &mail_queue, &a, &r));
}

static void
row_map(const struct db_rows *r, int row, struct mail_leased *m)
{
	db_col_uuid(r, row, 0, &m->id);
	m->kind = db_col_text(r, row, 1);
	m->sealed = db_col_bytes(r, row, 2, &m->len);
	m->attempts = db_col_int4(r, row, 3);
	m->age_s = db_col_float8(r, row, 4);
}

co_fn enum res
mail_db_lease(struct env *env, const struct uuid *lease, int32_t limit,
    int32_t seconds, struct mail_leased **out, int *n)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, env);
	db_uuid(&a, lease);
	db_int4(&a, limit);
	db_int4(&a, seconds);
	if (db_exec(env, &mail_lease, &a, &r) != RES_OK)
		return (RES_ERR);
	*n = db_count(r);
	*out = arena_alloc(env->arena, ((size_t)*n + 1) * sizeof(**out));
	for (int i = 0; i < *n; i++)
		row_map(r, i, &(*out)[i]);
	return (RES_OK);
}

static co_fn enum res
finish(struct env *env, struct db_stmt *s, struct db_args *a, bool *held)
{
	struct db_rows *r;

	*held = false;
	if (db_exec(env, s, a, &r) != RES_OK)
		return (RES_ERR);
	*held = db_col_bool(r, 0, 0);
	return (RES_OK);
}

co_fn enum res
mail_db_sent(struct env *env, const struct uuid *id, const struct uuid *lease,
    bool *held)
{
	struct db_args a;

	db_args(&a, env);
	db_uuid(&a, id);
	db_uuid(&a, lease);
	return (finish(env, &mail_sent, &a, held));
}

co_fn enum res
mail_db_retry(struct env *env, const struct uuid *id, const struct uuid *lease,
    const char *why, double seconds, bool *held)
{
	struct db_args a;

	db_args(&a, env);
	db_uuid(&a, id);
	db_uuid(&a, lease);
	db_text(&a, why);
	db_float8(&a, seconds);
	return (finish(env, &mail_retry, &a, held));
}

co_fn enum res
mail_db_give_up(struct env *env, const struct uuid *id,
    const struct uuid *lease, const char *why, bool *held)
{
	struct db_args a;
	struct uuid event;

	uuid_v7(&event);
	db_args(&a, env);
	db_uuid(&a, id);
	db_uuid(&a, lease);
	db_text(&a, why);
	db_uuid(&a, &event);
	return (finish(env, &mail_give_up, &a, held));
}

co_fn enum res
mail_db_sweep(struct env *env, int32_t limit, int32_t *gone)
{
	struct db_args a;
	struct db_rows *r;

	*gone = 0;
	db_args(&a, env);
	db_int4(&a, limit);
	if (db_exec(env, &mail_sweep, &a, &r) != RES_OK)
		return (RES_ERR);
	*gone = db_col_int4(r, 0, 0);
	return (RES_OK);
}
