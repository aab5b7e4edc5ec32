/*
 * SQL of the places that users have logged in from.
 */
#include "audit/audit.h"
#include "auth/auth_priv.h"

DB_STATEMENT(place_known, DB_READ,
    "SELECT first, known, noted FROM eleusis.place_known($1, $2, $3)")

DB_STATEMENT(
    place_note, DB_WRITE, AUDIT_WITH "SELECT eleusis.place_note($12, $13)")

co_fn enum res
place_db_read(struct ctx *cx, const struct uuid *user, struct place *p)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	db_uuid(&a, user);
	db_bytes(&a, p->digest, sizeof(p->digest));
	db_int4(&a, (int32_t)setting_int(SETTING_LOCKOUT_TRUST_DAYS));
	if (db_exec(&cx->env, &place_known, &a, &r) != RES_OK)
		return (RES_ERR);
	p->first = db_col_bool(r, 0, 0);
	p->known = db_col_bool(r, 0, 1);
	p->noted = db_col_bool(r, 0, 2);
	return (RES_OK);
}

co_fn enum res
place_db_note(struct ctx *cx, const struct audit_event *ev,
    const struct uuid *user, const struct place *p)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	db_uuid(&a, user);
	db_bytes(&a, p->digest, sizeof(p->digest));
	return (db_exec(&cx->env, &place_note, &a, &r));
}
