/*
 * SQL of accounts as administrators see and change them. Changes carry their
 * audit row in the same statement.
 */
#include <string.h>

#include "account/account_priv.h"
#include "audit/audit.h"

#define SHOWN                                                        \
	" s.id, s.email, s.name, s.role, s.scopes, s.disabled,"      \
	" s.onetime, s.has_password, s.has_factor, s.invited_until," \
	" s.status, s.version, s.created_at, s.updated_at"

DB_STATEMENT(
    user_get, DB_READ, "SELECT" SHOWN " FROM eleusis.user_get($1, $2, $3) AS s")
DB_STATEMENT(user_page, DB_READ,
    "SELECT" SHOWN " FROM eleusis.user_list($1, $2, $3, $4, $5, $6) AS s")
DB_STATEMENT(user_keys, DB_READ, "SELECT eleusis.user_keys($1)")
/* In the transaction of a change. */
DB_STATEMENT(user_keys_then, DB_WRITE, "SELECT eleusis.user_keys($1)")
DB_STATEMENT(user_insert, DB_WRITE,
    AUDIT_WITH "SELECT" SHOWN " FROM eleusis.user_invite($12, $13, $14, $15,"
	       " $16, $17, $18, $19, $20) AS s")
DB_STATEMENT(user_change, DB_WRITE,
    AUDIT_WITH "SELECT" SHOWN " FROM eleusis.user_update($12, $13, $14, $15,"
	       " $16, $17, $18, $19, $20, $21, $22) AS s")
DB_STATEMENT(user_remove, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.user_delete($12, $13, $14, $15)")
DB_STATEMENT(user_link, DB_WRITE,
    AUDIT_WITH "SELECT" SHOWN " FROM eleusis.user_token_send($12, $13, $14,"
	       " $15, $16, $17) AS s")
DB_STATEMENT(
    user_name, DB_WRITE, AUDIT_WITH "SELECT eleusis.user_rename($12, $13, $14)")

enum column {
	COL_ID,
	COL_EMAIL,
	COL_NAME,
	COL_ROLE,
	COL_SCOPES,
	COL_DISABLED,
	COL_ONETIME,
	COL_HAS_PASSWORD,
	COL_HAS_FACTOR,
	COL_INVITED_UNTIL,
	COL_STATUS,
	COL_VERSION,
	COL_CREATED,
	COL_UPDATED
};

static void
map_rights(const struct db_rows *r, int row, struct user_row *u)
{
	u->role = role_parse(db_col_text(r, row, COL_ROLE));
	u->narrowed = !db_is_null(r, row, COL_SCOPES);
	u->scopes = role_scopes(u->role);
	if (u->narrowed)
		u->scopes &= scopes_parse(db_col_text(r, row, COL_SCOPES));
	u->disabled = db_col_bool(r, row, COL_DISABLED);
	u->onetime = db_col_bool(r, row, COL_ONETIME);
}

enum res
user_row_map(
    struct ctx *cx, const struct db_rows *r, int row, struct user_row *u)
{
	memset(u, 0, sizeof(*u));
	db_col_uuid(r, row, COL_ID, &u->id);
	u->email = db_col_text(r, row, COL_EMAIL);
	u->name = db_col_text(r, row, COL_NAME);
	map_rights(r, row, u);
	u->has_password = db_col_bool(r, row, COL_HAS_PASSWORD);
	u->has_factor = db_col_bool(r, row, COL_HAS_FACTOR);
	if (!db_is_null(r, row, COL_INVITED_UNTIL))
		u->invited_until_us = db_col_time(r, row, COL_INVITED_UNTIL);
	u->status = db_col_text(r, row, COL_STATUS);
	u->deleted = strcmp(u->status, "deleted") == 0;
	u->version = db_col_int4(r, row, COL_VERSION);
	u->created_us = db_col_time(r, row, COL_CREATED);
	u->updated_us = db_col_time(r, row, COL_UPDATED);
	if (u->role != ROLE_UNSET)
		return (RES_OK);
	err_private(&cx->env.err, "an account has an unknown role");
	return (err_fail(&cx->env.err, PROBLEM_INTERNAL,
	    "The request could not be carried out."));
}

static void
actor_args(struct ctx *cx, struct db_args *a)
{
	db_uuid(a, &cx->who->user_id);
	db_text(a, role_name(cx->who->role));
}

static void
get_args(struct ctx *cx, struct db_args *a, const struct uuid *id)
{
	db_args(a, &cx->env);
	actor_args(cx, a);
	db_uuid(a, id);
}

co_fn enum res
user_db_get(struct ctx *cx, const struct uuid *id, struct db_rows **r)
{
	struct db_args a;

	get_args(cx, &a, id);
	return (db_exec(&cx->env, &user_get, &a, r));
}

enum res
user_db_get_start(struct ctx *cx, const struct uuid *id, struct db_op **op)
{
	struct db_args a;

	get_args(cx, &a, id);
	return (db_start(&cx->env, &user_get, &a, op));
}

co_fn enum res
user_db_list(struct ctx *cx, const struct page *page, const char *status,
    const char *role, struct db_rows **r)
{
	struct db_args a;

	db_args(&a, &cx->env);
	actor_args(cx, &a);
	db_text(&a, status);
	db_text(&a, role);
	db_uuid(&a, page->has_after ? &page->after : NULL);
	db_int4(&a, page->limit + 1);
	return (db_exec(&cx->env, &user_page, &a, r));
}

co_fn enum res
user_db_keys(struct ctx *cx, const struct uuid *id, const char **prefixes)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	db_uuid(&a, id);
	if (db_exec(&cx->env, cx->env.tx != NULL ? &user_keys_then : &user_keys,
		&a, &r) != RES_OK)
		return (RES_ERR);
	*prefixes = db_col_text(r, 0, 0);
	return (RES_OK);
}

static void
change_args(struct ctx *cx, struct db_args *a, const struct audit_event *ev,
    const struct uuid *id)
{
	db_args(a, &cx->env);
	audit_bind(a, ev);
	actor_args(cx, a);
	db_uuid(a, id);
}

/* The list of scopes of its own; null: all of the role's. */
static void
bind_scopes(struct db_args *a, const struct user_row *row)
{
	struct db_array names;
	const char *name;

	if (!row->narrowed) {
		db_null(a);
		return;
	}
	db_array(&names, a->arena, DB_OID_TEXT);
	for (unsigned i = 0; (name = scope_name(i)) != NULL; i++)
		if (row->scopes & (UINT64_C(1) << i))
			db_array_add(&names, name, strlen(name));
	db_array_bind(a, &names);
}

/* Runs a change that answers with the row as it is now. */
static co_fn enum res
change(
    struct ctx *cx, struct db_stmt *s, struct db_args *a, struct user_row *row)
{
	struct db_rows *r;

	if (db_exec(&cx->env, s, a, &r) != RES_OK)
		return (RES_ERR);
	return (user_row_map(cx, r, 0, row));
}

co_fn enum res
user_db_invite(struct ctx *cx, const struct audit_event *ev,
    const struct user_token *token, struct user_row *row)
{
	struct db_args a;

	change_args(cx, &a, ev, &row->id);
	db_text(&a, row->email);
	db_text(&a, row->name);
	db_text(&a, role_name(row->role));
	bind_scopes(&a, row);
	if (token != NULL)
		db_bytes(&a, token->hash, sizeof(token->hash));
	else
		db_null(&a);
	db_int4(&a, user_token_seconds(USER_TOKEN_INVITATION));
	return (change(cx, &user_insert, &a, row));
}

/* row->version is the one that was read. */
co_fn enum res
user_db_update(struct ctx *cx, const struct audit_event *ev, unsigned changes,
    struct user_row *row)
{
	struct db_args a;

	change_args(cx, &a, ev, &row->id);
	db_int4(&a, row->version);
	db_text(&a, row->name);
	db_text(&a, row->email);
	db_text(&a, role_name(row->role));
	bind_scopes(&a, row);
	db_bool(&a, row->disabled);
	db_bool(&a, row->onetime);
	db_bool(&a, changes & USER_CHANGE_RIGHTS);
	return (change(cx, &user_change, &a, row));
}

co_fn enum res
user_db_delete(
    struct ctx *cx, const struct audit_event *ev, const struct user_row *row)
{
	struct db_args a;
	struct db_rows *r;

	change_args(cx, &a, ev, &row->id);
	db_int4(&a, row->version);
	return (db_exec(&cx->env, &user_remove, &a, &r));
}

co_fn enum res
user_db_token_send(struct ctx *cx, const struct audit_event *ev,
    enum user_token_kind kind, const struct user_token *token,
    struct user_row *row)
{
	struct db_args a;

	change_args(cx, &a, ev, &row->id);
	db_text(&a, user_token_purpose(kind));
	db_bytes(&a, token->hash, sizeof(token->hash));
	db_int4(&a, user_token_seconds(kind));
	return (change(cx, &user_link, &a, row));
}

co_fn enum res
user_db_rename(struct ctx *cx, const struct audit_event *ev, const char *name)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	actor_args(cx, &a);
	db_text(&a, name);
	return (db_exec(&cx->env, &user_name, &a, &r));
}
