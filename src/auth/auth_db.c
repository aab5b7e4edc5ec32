/*
 * SQL of accounts.
 */
#include <string.h>

#include "audit/audit.h"
#include "auth/auth_priv.h"

DB_STATEMENT(user_by_email, DB_READ,
    "SELECT id, email, name, role, password_hash, onetime, disabled, scopes,"
    " totp, passkeys, sessions_from, deleted FROM eleusis.user_by_email($1)")

DB_STATEMENT(user_by_id, DB_READ,
    "SELECT id, email, name, role, password_hash, onetime, disabled, scopes,"
    " totp, passkeys, sessions_from, deleted FROM eleusis.user_by_id($1)")

DB_STATEMENT(user_set_password, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.user_sessions_from($12) FROM"
	       " (SELECT eleusis.user_set_password($12, $13, $14, false)"
	       " OFFSET 0) AS s")

static co_fn enum res
load(struct ctx *cx, struct db_stmt *s, struct db_args *a, struct auth_user *u)
{
	struct db_rows *r;

	memset(u, 0, sizeof(*u));
	if (db_exec(&cx->env, s, a, &r) != RES_OK)
		return (RES_ERR);
	if (db_count(r) == 0)
		return (RES_OK);
	u->found = true;
	db_col_uuid(r, 0, 0, &u->id);
	u->email = db_col_text(r, 0, 1);
	u->name = db_col_text(r, 0, 2);
	u->role = role_parse(db_col_text(r, 0, 3));
	u->password_hash = db_col_text(r, 0, 4);
	u->onetime = db_col_bool(r, 0, 5);
	u->disabled = db_col_bool(r, 0, 6);
	if (u->role != ROLE_UNSET)
		u->scopes = role_scopes(u->role);
	if (!db_is_null(r, 0, 7))
		u->scopes &= scopes_parse(db_col_text(r, 0, 7));
	u->totp = db_col_bool(r, 0, 8);
	u->passkeys = db_col_int4(r, 0, 9);
	if (!db_is_null(r, 0, 10))
		u->sessions_from_us = db_col_time(r, 0, 10);
	u->deleted = db_col_bool(r, 0, 11);
	return (RES_OK);
}

co_fn enum res
auth_db_by_email(struct ctx *cx, const char *email, struct auth_user *u)
{
	struct db_args a;

	db_args(&a, &cx->env);
	db_text(&a, email);
	return (load(cx, &user_by_email, &a, u));
}

co_fn enum res
auth_db_by_id(struct ctx *cx, const struct uuid *id, struct auth_user *u)
{
	struct db_args a;

	db_args(&a, &cx->env);
	db_uuid(&a, id);
	return (load(cx, &user_by_id, &a, u));
}

bool
auth_has_factor(const struct auth_user *u)
{
	return (u->totp || u->passkeys > 0);
}

co_fn enum res
auth_db_set_password(struct ctx *cx, const struct audit_event *ev,
    struct auth_user *u, const char *hash)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	db_uuid(&a, &u->id);
	db_text(&a, u->password_hash);
	db_text(&a, hash);
	if (db_exec(&cx->env, &user_set_password, &a, &r) != RES_OK)
		return (RES_ERR);
	u->sessions_from_us = db_col_time(r, 0, 0);
	return (RES_OK);
}
