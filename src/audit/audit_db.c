/*
 * SQL of the group commit: one statement inserts a whole batch, column by
 * column as arrays.
 */
#include <string.h>

#include "audit/audit_priv.h"

DB_STATEMENT(audit_insert_many, DB_WRITE,
    "INSERT INTO eleusis.audit_event (id, occurred_at, action, outcome,"
    " actor_kind, actor_id, object_type, object_id, request_id, client_ip,"
    " detail, patient_id, key_id)"
    " SELECT i, t, a, o, k, ai, ot, oi, r, ip::inet, d::jsonb,"
    " CASE WHEN ot = 'patient' THEN oi"
    " ELSE (d::jsonb ->> 'patient')::uuid END, (d::jsonb ->> 'key')::uuid"
    " FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[],"
    " $5::text[], $6::uuid[], $7::text[], $8::uuid[], $9::uuid[],"
    " $10::text[], $11::text[])"
    " AS u (i, t, a, o, k, ai, ot, oi, r, ip, d)")

static void
add_text(struct db_array *arr, const char *s)
{
	db_array_add(arr, s, s != NULL ? strlen(s) : 0);
}

static void
add_uuid(struct db_array *arr, const struct uuid *u)
{
	db_array_add(arr, uuid_is_nil(u) ? NULL : u->b, sizeof(u->b));
}

co_fn enum res
audit_db_insert(
    struct env *env, struct audit_ticket *const *tickets, unsigned n)
{
	static const enum db_oid types[AUDIT_PARAMS] = { DB_OID_UUID,
		DB_OID_TIMESTAMPTZ, DB_OID_TEXT, DB_OID_TEXT, DB_OID_TEXT,
		DB_OID_UUID, DB_OID_TEXT, DB_OID_UUID, DB_OID_UUID, DB_OID_TEXT,
		DB_OID_TEXT };
	struct db_array col[AUDIT_PARAMS];
	struct db_args args;
	struct db_rows *rows;

	for (unsigned i = 0; i < AUDIT_PARAMS; i++)
		db_array(&col[i], env->arena, types[i]);
	for (unsigned i = 0; i < n; i++) {
		const struct audit_event *ev = &tickets[i]->ev;

		add_uuid(&col[0], &ev->id);
		db_array_add_time(&col[1], ev->at_us);
		add_text(&col[2], ev->action);
		add_text(&col[3], audit_outcome_name(ev));
		add_text(&col[4], ev->actor_kind);
		add_uuid(&col[5], &ev->actor_id);
		add_text(&col[6], ev->object_type);
		add_uuid(&col[7], &ev->object_id);
		add_uuid(&col[8], &ev->request_id);
		add_text(&col[9], ev->client_ip);
		add_text(&col[10], audit_stored_detail(env->arena, ev));
	}
	db_args(&args, env);
	for (unsigned i = 0; i < AUDIT_PARAMS; i++)
		db_array_bind(&args, &col[i]);
	return (db_exec(env, &audit_insert_many, &args, &rows));
}
