/*
 * SQL of identities at providers. What the account, its role or its links
 * become has its audit row in the same statement.
 */
#include "audit/audit.h"
#include "oidc/oidc_priv.h"

DB_STATEMENT(identity_find, DB_READ,
    "SELECT id, user_id FROM eleusis.identity_find($1, $2)")
DB_STATEMENT(identity_list, DB_READ,
    "SELECT id, provider, linked_at, last_login_at"
    " FROM eleusis.identity_list($1)")
DB_STATEMENT(identity_add, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.identity_add($12, $13, $14, $15)")
DB_STATEMENT(identity_provision, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.identity_provision($12, $13, $14, $15, $16,"
	       " $17, $18)")
DB_STATEMENT(identity_role, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.identity_role($12, $13, $14)")
DB_STATEMENT(identity_used, DB_WRITE, "SELECT eleusis.identity_used($1)")
DB_STATEMENT(identity_remove, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.identity_remove($12, $13)")

co_fn enum res
identity_db_find(struct ctx *cx, const struct provider *p,
    const uint8_t subject[DIGEST_BYTES], struct identity *out, bool *found)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	db_text(&a, p->id);
	db_bytes(&a, subject, DIGEST_BYTES);
	if (db_exec(&cx->env, &identity_find, &a, &r) != RES_OK)
		return (RES_ERR);
	*out = (struct identity){ .provider = p->id };
	*found = db_count(r) > 0;
	if (*found) {
		db_col_uuid(r, 0, 0, &out->id);
		db_col_uuid(r, 0, 1, &out->user_id);
	}
	return (RES_OK);
}

static void
bind(struct db_args *a, struct ctx *cx, const struct audit_event *ev,
    const struct identity *i, const uint8_t subject[DIGEST_BYTES])
{
	db_args(a, &cx->env);
	audit_bind(a, ev);
	db_uuid(a, &i->id);
	db_uuid(a, &i->user_id);
	db_text(a, i->provider);
	db_bytes(a, subject, DIGEST_BYTES);
}

co_fn enum res
identity_db_add(struct ctx *cx, const struct audit_event *ev,
    const struct identity *i, const uint8_t subject[DIGEST_BYTES])
{
	struct db_args a;
	struct db_rows *r;

	bind(&a, cx, ev, i, subject);
	return (db_exec(&cx->env, &identity_add, &a, &r));
}

co_fn enum res
identity_db_provision(struct ctx *cx, const struct audit_event *ev,
    const struct identity *i, const uint8_t subject[DIGEST_BYTES],
    const struct claims *claims, enum role role)
{
	struct db_args a;
	struct db_rows *r;

	bind(&a, cx, ev, i, subject);
	db_text(&a, claims->email);
	db_text(&a, claims->name != NULL ? claims->name : claims->email);
	db_text(&a, role_name(role));
	return (db_exec(&cx->env, &identity_provision, &a, &r));
}

co_fn enum res
identity_db_role(struct ctx *cx, const struct audit_event *ev,
    const struct account *user, enum role role)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	db_uuid(&a, &user->id);
	db_text(&a, role_name(user->role));
	db_text(&a, role_name(role));
	return (db_exec(&cx->env, &identity_role, &a, &r));
}

co_fn enum res
identity_db_used(struct ctx *cx, const struct uuid *id, bool *linked)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	db_uuid(&a, id);
	if (db_exec(&cx->env, &identity_used, &a, &r) != RES_OK)
		return (RES_ERR);
	*linked = db_col_bool(r, 0, 0);
	return (RES_OK);
}

co_fn enum res
identity_db_list(struct ctx *cx, struct identity **out, int *n)
{
	struct db_args a;
	struct db_rows *r;
	struct identity *list;

	db_args(&a, &cx->env);
	db_uuid(&a, &cx->who->user_id);
	if (db_exec(&cx->env, &identity_list, &a, &r) != RES_OK)
		return (RES_ERR);
	*n = db_count(r);
	*out = list =
	    arena_alloc(cx->env.arena, ((size_t)*n + 1) * sizeof(*list));
	for (int i = 0; i < *n; i++) {
		db_col_uuid(r, i, 0, &list[i].id);
		list[i].user_id = cx->who->user_id;
		list[i].provider = db_col_text(r, i, 1);
		list[i].linked_us = db_col_time(r, i, 2);
		if (!db_is_null(r, i, 3))
			list[i].used_us = db_col_time(r, i, 3);
	}
	return (RES_OK);
}

co_fn enum res
identity_db_remove(struct ctx *cx, const struct audit_event *ev,
    const struct uuid *id, const char **provider)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	db_uuid(&a, &cx->who->user_id);
	db_uuid(&a, id);
	if (db_exec(&cx->env, &identity_remove, &a, &r) != RES_OK)
		return (RES_ERR);
	*provider = db_col_text(r, 0, 0);
	return (RES_OK);
}
