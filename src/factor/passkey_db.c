/*
 * SQL of passkeys: functions of schema eleusis. Changes carry their audit row
 * in the same statement.
 */
#include <string.h>

#include "audit/audit.h"
#include "factor/factor_priv.h"

#define SHOWN                                                    \
	" s.id, s.credential_id, s.alg, s.aaguid, s.transports," \
	" s.backup_eligible, s.backed_up, s.name, s.created_at," \
	" s.last_used_at"

DB_STATEMENT(
    passkey_all, DB_READ, "SELECT" SHOWN " FROM eleusis.passkey_list($1) AS s")
DB_STATEMENT(passkey_insert, DB_WRITE,
    AUDIT_WITH "SELECT" SHOWN " FROM eleusis.passkey_create($12, $13, $14, $15,"
	       " $16, $17, $18, $19, $20, $21, $22, $23) AS s")
DB_STATEMENT(passkey_change, DB_WRITE,
    AUDIT_WITH "SELECT" SHOWN
	       " FROM eleusis.passkey_rename($12, $13, $14) AS s")
DB_STATEMENT(passkey_remove, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.passkey_delete($12, $13, $14)")
DB_STATEMENT(passkey_find, DB_READ,
    "SELECT id, user_id, public_key, alg, backup_eligible"
    " FROM eleusis.passkey_by_credential($1)")
DB_STATEMENT(passkey_note, DB_WRITE, "SELECT eleusis.passkey_used($1, $2, $3)")
DB_STATEMENT(passkey_note_audited, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.passkey_used($12, $13, $14)")

static void
map(const struct db_rows *r, int row, struct passkey *p)
{
	memset(p, 0, sizeof(*p));
	db_col_uuid(r, row, 0, &p->id);
	p->credential.p = db_col_bytes(r, row, 1, &p->credential.len);
	p->alg = db_col_int4(r, row, 2);
	db_col_uuid(r, row, 3, &p->aaguid);
	p->transports = db_col_text(r, row, 4);
	p->backup_eligible = db_col_bool(r, row, 5);
	p->backed_up = db_col_bool(r, row, 6);
	p->name = db_col_text(r, row, 7);
	p->created_us = db_col_time(r, row, 8);
	p->used_us = db_is_null(r, row, 9) ? 0 : db_col_time(r, row, 9);
}

co_fn enum res
passkey_db_list(struct ctx *cx, struct passkey_list *list)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	db_uuid(&a, &cx->who->user_id);
	if (db_exec(&cx->env, &passkey_all, &a, &r) != RES_OK)
		return (RES_ERR);
	list->n = db_count(r);
	list->items = arena_alloc(
	    cx->env.arena, (size_t)(list->n + 1) * sizeof(*list->items));
	for (int i = 0; i < list->n; i++)
		map(r, i, &list->items[i]);
	return (RES_OK);
}

static void
bind_transports(struct db_args *a, const struct passkey_answer *answer)
{
	struct db_array list;

	db_array(&list, a->arena, DB_OID_TEXT);
	for (unsigned i = 0; i < answer->ntransports; i++)
		db_array_add(&list, answer->transports[i],
		    strlen(answer->transports[i]));
	db_array_bind(a, &list);
}

co_fn enum res
passkey_db_create(struct ctx *cx, const struct audit_event *ev,
    const struct passkey_answer *answer, const struct webauthn_credential *c,
    struct passkey *p)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	db_uuid(&a, &cx->who->user_id);
	db_uuid(&a, &p->id);
	db_bytes(&a, c->id.p, c->id.len);
	db_bytes(&a, c->key.p, c->key.len);
	db_int4(&a, c->alg);
	db_int8(&a, c->count);
	db_uuid(&a, &c->aaguid);
	bind_transports(&a, answer);
	db_bool(&a, c->backup_eligible);
	db_bool(&a, c->backed_up);
	db_text(&a, p->name);
	db_int4(&a, PASSKEYS_PER_USER);
	if (db_exec(&cx->env, &passkey_insert, &a, &r) != RES_OK)
		return (RES_ERR);
	map(r, 0, p);
	return (RES_OK);
}

co_fn enum res
passkey_db_rename(struct ctx *cx, const struct audit_event *ev,
    const struct uuid *id, const char *name, struct passkey *p)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	db_uuid(&a, &cx->who->user_id);
	db_uuid(&a, id);
	db_text(&a, name);
	if (db_exec(&cx->env, &passkey_change, &a, &r) != RES_OK)
		return (RES_ERR);
	map(r, 0, p);
	return (RES_OK);
}

co_fn enum res
passkey_db_delete(struct ctx *cx, const struct audit_event *ev,
    const struct uuid *id, bool needed, int32_t *left)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	db_uuid(&a, &cx->who->user_id);
	db_uuid(&a, id);
	db_bool(&a, needed);
	if (db_exec(&cx->env, &passkey_remove, &a, &r) != RES_OK)
		return (RES_ERR);
	*left = db_col_int4(r, 0, 0);
	return (RES_OK);
}

co_fn enum res
passkey_db_find(struct ctx *cx, const struct bytes *credential,
    struct passkey_owned *p, bool *found)
{
	struct db_args a;
	struct db_rows *r;

	memset(p, 0, sizeof(*p));
	db_args(&a, &cx->env);
	db_bytes(&a, credential->p, credential->len);
	if (db_exec(&cx->env, &passkey_find, &a, &r) != RES_OK)
		return (RES_ERR);
	*found = db_count(r) == 1;
	if (!*found)
		return (RES_OK);
	db_col_uuid(r, 0, 0, &p->id);
	db_col_uuid(r, 0, 1, &p->user_id);
	p->stored.key.p = db_col_bytes(r, 0, 2, &p->stored.key.len);
	p->stored.alg = db_col_int4(r, 0, 3);
	p->stored.backup_eligible = db_col_bool(r, 0, 4);
	return (RES_OK);
}

co_fn enum res
passkey_db_used(struct ctx *cx, const struct audit_event *ev,
    const struct uuid *id, const struct webauthn_use *use)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	if (ev != NULL)
		audit_bind(&a, ev);
	db_uuid(&a, id);
	db_int8(&a, use->count);
	db_bool(&a, use->backed_up);
	return (db_exec(&cx->env,
	    ev != NULL ? &passkey_note_audited : &passkey_note, &a, &r));
}
