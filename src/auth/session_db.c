/*
 * SQL of the ends of sessions. Each is in the statement of its audit row,
 * unless whoever asks has made that (ev NULL).
 */
#include "audit/audit.h"
#include "auth/auth_priv.h"

DB_STATEMENT(session_end_one, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.sessions_end($12, $13, $14)")

DB_STATEMENT(
    session_end_one_plain, DB_WRITE, "SELECT eleusis.sessions_end($1, $2, $3)")

DB_STATEMENT(session_end_of_user, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.user_sessions_end($12)")

DB_STATEMENT(session_end_other, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.other_sessions_end($12, $13)")

DB_STATEMENT(session_end_other_plain, DB_WRITE,
    "SELECT eleusis.other_sessions_end($1, $2)")

DB_STATEMENT(session_end_of_all, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.all_sessions_end($12)")

DB_STATEMENT(
    session_holds, DB_WRITE, "SELECT eleusis.user_session_holds($1, $2, $3)")

DB_STATEMENT(session_from, DB_WRITE, "SELECT eleusis.user_sessions_from($1)")

static void
bind_from(struct db_args *a, int64_t from_us)
{
	if (from_us != 0)
		db_time(a, from_us);
	else
		db_null(a);
}

co_fn enum res
session_db_holds(struct ctx *cx)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	db_uuid(&a, &cx->who->user_id);
	db_uuid(&a, &cx->who->session_id);
	bind_from(&a, cx->who->sessions_from_us);
	return (db_exec(&cx->env, &session_holds, &a, &r));
}

co_fn enum res
session_db_from(struct ctx *cx, int64_t *from_us)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	db_uuid(&a, &cx->who->user_id);
	if (db_exec(&cx->env, &session_from, &a, &r) != RES_OK)
		return (RES_ERR);
	*from_us = db_is_null(r, 0, 0) ? 0 : db_col_time(r, 0, 0);
	return (RES_OK);
}

co_fn enum res
session_db_end(
    struct ctx *cx, const struct audit_event *ev, const struct principal *who)
{
	struct db_array ids, untils;
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	if (ev != NULL)
		audit_bind(&a, ev);
	db_array(&ids, cx->env.arena, DB_OID_UUID);
	db_array_add(&ids, who->session_id.b, sizeof(who->session_id.b));
	db_array_bind(&a, &ids);
	db_uuid(&a, &who->user_id);
	db_array(&untils, cx->env.arena, DB_OID_TIMESTAMPTZ);
	db_array_add_time(&untils, who->expires_us);
	db_array_bind(&a, &untils);
	return (db_exec(&cx->env,
	    ev != NULL ? &session_end_one : &session_end_one_plain, &a, &r));
}

co_fn enum res
session_db_end_user(
    struct ctx *cx, const struct audit_event *ev, const struct uuid *user)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	db_uuid(&a, user);
	return (db_exec(&cx->env, &session_end_of_user, &a, &r));
}

co_fn enum res
session_db_end_others(struct ctx *cx, const struct audit_event *ev,
    const struct principal *who, int64_t *from_us)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	if (ev != NULL)
		audit_bind(&a, ev);
	db_uuid(&a, &who->user_id);
	bind_from(&a, who->sessions_from_us);
	if (db_exec(&cx->env,
		ev != NULL ? &session_end_other : &session_end_other_plain, &a,
		&r) != RES_OK)
		return (RES_ERR);
	*from_us = db_col_time(r, 0, 0);
	return (RES_OK);
}

co_fn enum res
session_db_end_everybody(struct ctx *cx, const struct audit_event *ev)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	db_uuid(&a, &cx->who->user_id);
	return (db_exec(&cx->env, &session_end_of_all, &a, &r));
}
