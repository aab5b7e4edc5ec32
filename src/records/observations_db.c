/*
 * The SQL of observations; see patients_db.c.
 */
#include "records/records_priv.h"

DB_STATEMENT(observation_page, DB_READ,
    "SELECT id, payload, created_at"
    " FROM eleusis.observation_list($1, $2, $3, $4, $5)")
DB_STATEMENT(observation_one, DB_READ,
    "SELECT id, payload, created_at"
    " FROM eleusis.observation_get($1, $2, $3, $4)")
DB_STATEMENT(observation_insert, DB_WRITE,
    AUDIT_WITH "SELECT c.at FROM eleusis.observation_create($12, $13, $14,"
	       " $15, $16, $17) AS c (at)")

struct db_stmt *const observation_list_stmt = &observation_page;
struct db_stmt *const observation_get_stmt = &observation_one;

void
observation_row_map(
    const struct db_rows *rows, int row, struct observation_row *o)
{
	db_col_uuid(rows, row, 0, &o->id);
	o->payload.data = db_col_bytes(rows, row, 1, &o->payload.len);
	o->created_us = db_col_time(rows, row, 2);
}

void
observation_list_args(struct ctx *cx, struct db_args *a,
    const struct uuid *patient, const struct page *page)
{
	access_args(cx, a);
	db_uuid(a, patient);
	db_uuid(a, page->has_after ? &page->after : NULL);
	db_int4(a, page->limit + 1);
}

void
observation_get_args(struct ctx *cx, struct db_args *a,
    const struct uuid *patient, const struct uuid *id)
{
	access_args(cx, a);
	db_uuid(a, patient);
	db_uuid(a, id);
}

co_fn enum res
observation_db_create(struct ctx *cx, const struct audit_event *event,
    struct observation *o, const uint8_t code_index[CODE_INDEX_BYTES],
    const struct sealed *payload)
{
	struct db_args a;
	struct db_rows *rows;

	access_write_args(cx, &a, event);
	db_uuid(&a, &o->patient);
	db_uuid(&a, &o->id);
	db_bytes(&a, code_index, CODE_INDEX_BYTES);
	db_bytes(&a, payload->data, payload->len);
	if (db_exec(&cx->env, &observation_insert, &a, &rows) != RES_OK)
		return (RES_ERR);
	o->created_us = db_col_time(rows, 0, 0);

	return (RES_OK);
}
