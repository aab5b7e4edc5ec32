/*
 * The SQL of patients: functions of schema eleusis that take the acting
 * subject as their first two parameters and show nothing else. Writes carry
 * their audit row in the same statement.
 */
#include "records/records_priv.h"

DB_STATEMENT(patient_get, DB_READ,
    "SELECT id, version, identity, clinical, key_version, wrapped_key,"
    " created_at, updated_at FROM eleusis.patient_get($1, $2, $3)")
DB_STATEMENT(patient_key, DB_READ,
    "SELECT key_version, wrapped_key FROM eleusis.patient_key($1, $2, $3)")
DB_STATEMENT(patient_page, DB_READ,
    "SELECT id, version, identity, clinical, key_version, wrapped_key,"
    " created_at, updated_at"
    " FROM eleusis.patient_list($1, $2, $3, $4, $5)")
DB_STATEMENT(patient_insert, DB_WRITE,
    AUDIT_WITH "SELECT c.at FROM eleusis.patient_create($12, $13, $14, $15,"
	       " $16, $17, $18, $19, $20) AS c (at)")
DB_STATEMENT(patient_change, DB_WRITE,
    AUDIT_WITH "SELECT u.version, u.updated_at"
	       " FROM eleusis.patient_update($12, $13, $14, $15, $16, $17,"
	       " $18) AS u")

struct db_stmt *const patient_get_stmt = &patient_get;
struct db_stmt *const patient_key_stmt = &patient_key;

void
patient_args(struct ctx *cx, struct db_args *a, const struct uuid *id)
{
	access_args(cx, a);
	db_uuid(a, id);
}

static void
wrapped_map(
    const struct db_rows *rows, int row, int col, struct wrapped_key *key)
{
	key->version = (uint32_t)db_col_int4(rows, row, col);
	key->wrapped = NULL;
	key->len = 0;
	if (!db_is_null(rows, row, col + 1))
		key->wrapped = db_col_bytes(rows, row, col + 1, &key->len);
}

void
patient_key_map(const struct db_rows *rows, int row, struct wrapped_key *key)
{
	wrapped_map(rows, row, 0, key);
}

void
patient_row_map(const struct db_rows *rows, int row, struct patient_row *p)
{
	db_col_uuid(rows, row, 0, &p->id);
	p->version = db_col_int4(rows, row, 1);
	p->identity.data = db_col_bytes(rows, row, 2, &p->identity.len);
	p->clinical.data = db_col_bytes(rows, row, 3, &p->clinical.len);
	wrapped_map(rows, row, 4, &p->key);
	p->created_us = db_col_time(rows, row, 6);
	p->updated_us = db_col_time(rows, row, 7);
}

static void
bind_mrn(struct ctx *cx, struct db_args *a, const struct patient *p)
{
	db_bytes(a, patient_mrn_index(cx->env.arena, p->value[PATIENT_MRN]),
	    BLIND_INDEX_BYTES);
}

co_fn enum res
patient_db_create(struct ctx *cx, const struct audit_event *event,
    struct patient *p, const struct sealed *identity,
    const struct sealed *clinical, const struct wrapped_key *key)
{
	struct db_args a;
	struct db_rows *rows;

	access_write_args(cx, &a, event);
	db_uuid(&a, &p->id);
	db_bytes(&a, identity->data, identity->len);
	db_bytes(&a, clinical->data, clinical->len);
	bind_mrn(cx, &a, p);
	db_int4(&a, (int32_t)key->version);
	db_bytes(&a, key->wrapped, key->len);
	db_int4(&a, (int32_t)keyring_kek_version());
	if (db_exec(&cx->env, &patient_insert, &a, &rows) != RES_OK)
		return (RES_ERR);
	p->created_us = p->updated_us = db_col_time(rows, 0, 0);

	return (RES_OK);
}

/* p->version is the new one; the row must still have the one before. */
co_fn enum res
patient_db_update(struct ctx *cx, const struct audit_event *event,
    struct patient *p, const struct sealed *identity,
    const struct sealed *clinical)
{
	struct db_args a;
	struct db_rows *rows;

	access_write_args(cx, &a, event);
	db_uuid(&a, &p->id);
	db_int4(&a, p->version - 1);
	db_bytes(&a, identity->data, identity->len);
	db_bytes(&a, clinical->data, clinical->len);
	bind_mrn(cx, &a, p);
	if (db_exec(&cx->env, &patient_change, &a, &rows) != RES_OK)
		return (RES_ERR);
	p->version = db_col_int4(rows, 0, 0);
	p->updated_us = db_col_time(rows, 0, 1);

	return (RES_OK);
}

co_fn enum res
patient_db_list(struct ctx *cx, const struct page *page,
    const uint8_t *mrn_index, struct db_rows **rows)
{
	struct db_args a;

	access_args(cx, &a);
	db_uuid(&a, page->has_after ? &page->after : NULL);
	db_int4(&a, page->limit + 1);
	db_bytes(&a, mrn_index, BLIND_INDEX_BYTES);

	return (db_exec(&cx->env, &patient_page, &a, rows));
}
