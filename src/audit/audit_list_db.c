/*
 * SQL of reading the audit log.
 */
#include <string.h>

#include "audit/audit_priv.h"

#define EVENT_COLUMNS                                             \
	"id, occurred_at, action, outcome, actor_kind, actor_id," \
	" object_type, object_id, request_id, host(client_ip),"   \
	" detail::text, key_id"

DB_STATEMENT(audit_select, DB_READ,
    "SELECT " EVENT_COLUMNS " FROM eleusis.audit_event WHERE id = $1")

/* Filters are optional; an absent one is null. */
DB_STATEMENT(audit_select_page, DB_READ,
    "SELECT " EVENT_COLUMNS " FROM eleusis.audit_event"
    " WHERE ($1::uuid IS NULL OR id < $1)"
    " AND ($2::uuid IS NULL OR (object_id = $2 AND"
    " (object_type <> 'patient' OR patient_id = $2)))"
    " AND ($3::uuid IS NULL OR actor_id = $3)"
    " AND ($4::text IS NULL OR action = $4)"
    " AND ($5::uuid IS NULL OR request_id = $5)"
    " AND ($8::uuid IS NULL OR key_id = $8)"
    " AND ($7::uuid IS NULL OR patient_id = $7 OR"
    " (action = 'patient.list' AND detail -> 'patients' ? $7::text))"
    " ORDER BY id DESC LIMIT $6")

co_fn enum res
audit_list_db_page(struct ctx *cx, const struct page *page,
    const struct audit_filter *want, struct db_rows **rows)
{
	struct db_args a;

	db_args(&a, &cx->env);
	db_uuid(&a, page->has_after ? &page->after : NULL);
	db_uuid(&a, want->object_id);
	db_uuid(&a, want->actor_id);
	db_text(&a, want->action);
	db_uuid(&a, want->request_id);
	db_int8(&a, page->limit + 1);
	db_uuid(&a, want->patient_id);
	db_uuid(&a, want->key_id);
	return (db_exec(&cx->env, &audit_select_page, &a, rows));
}

co_fn enum res
audit_list_db_one(struct ctx *cx, const struct uuid *id, struct db_op **op)
{
	struct db_args a;

	db_args(&a, &cx->env);
	db_uuid(&a, id);
	return (db_start(&cx->env, &audit_select, &a, op));
}

static const char *
text_or_null(const struct db_rows *rows, int row, int col)
{
	return (
	    db_is_null(rows, row, col) ? NULL : db_col_text(rows, row, col));
}

static void
id_or_nil(const struct db_rows *rows, int row, int col, struct uuid *id)
{
	if (!db_is_null(rows, row, col))
		db_col_uuid(rows, row, col, id);
}

void
audit_list_db_map(const struct db_rows *rows, int row, struct audit_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	db_col_uuid(rows, row, 0, &ev->id);
	ev->at_us = db_col_time(rows, row, 1);
	ev->action = db_col_text(rows, row, 2);
	ev->outcome = audit_outcome_parse(db_col_text(rows, row, 3));
	ev->actor_kind = text_or_null(rows, row, 4);
	id_or_nil(rows, row, 5, &ev->actor_id);
	ev->object_type = text_or_null(rows, row, 6);
	id_or_nil(rows, row, 7, &ev->object_id);
	id_or_nil(rows, row, 8, &ev->request_id);
	ev->client_ip = text_or_null(rows, row, 9);
	ev->detail = text_or_null(rows, row, 10);
	id_or_nil(rows, row, 11, &ev->key_id);
}
