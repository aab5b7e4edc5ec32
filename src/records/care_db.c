/*
 * SQL of care relationships: see migrations/0017_care.sql for who may do what.
 */
#include "records/records_priv.h"

#define SHOWN                                                                  \
	" id, user_id, name, role, kind, reason, granted_by, grant_id, since," \
	" until, ended_at, ended_by, in_force"

DB_STATEMENT(care_seen, DB_READ, "SELECT eleusis.care_visible($1, $2, $3)")
DB_STATEMENT(care_page, DB_READ,
    "SELECT" SHOWN " FROM eleusis.care_list($1, $2, $3, $4, $5, $6)")
DB_STATEMENT(care_insert, DB_WRITE,
    AUDIT_WITH "SELECT" SHOWN
	       " FROM eleusis.care_grant($12, $13, $14, $15, $16, $17)")
DB_STATEMENT(care_finish, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.care_end($12, $13, $14,"
	       " $15)")

struct db_stmt *const care_visible_stmt = &care_seen;
struct db_stmt *const care_list_stmt = &care_page;

void
care_row_map(const struct db_rows *rows, int row, struct care *c)
{
	db_col_uuid(rows, row, 0, &c->id);
	db_col_uuid(rows, row, 1, &c->user);
	c->name = db_col_text(rows, row, 2);
	c->role = db_col_text(rows, row, 3);
	c->kind = db_col_text(rows, row, 4);
	c->reason = db_col_text(rows, row, 5);
	row_uuid(rows, row, 6, &c->granted_by);
	row_uuid(rows, row, 7, &c->grant);
	c->since_us = db_col_time(rows, row, 8);
	c->until_us = row_time(rows, row, 9);
	c->ended_us = row_time(rows, row, 10);
	row_uuid(rows, row, 11, &c->ended_by);
	c->in_force = db_col_bool(rows, row, 12);
}

void
care_list_args(struct ctx *cx, struct db_args *a, const struct uuid *patient,
    bool history, const struct page *page)
{
	patient_args(cx, a, patient);
	db_bool(a, history);
	db_uuid(a, page->has_after ? &page->after : NULL);
	db_int4(a, page->limit + 1);
}

co_fn enum res
care_db_grant(struct ctx *cx, const struct audit_event *event,
    const struct uuid *patient, const struct care_new *want, struct care *made)
{
	struct db_args a;
	struct db_rows *rows;

	access_write_args(cx, &a, event);
	db_uuid(&a, patient);
	db_uuid(&a, &want->user);
	db_text(&a, want->reason);
	if (want->until_us != 0)
		db_time(&a, want->until_us);
	else
		db_null(&a);
	if (db_exec(&cx->env, &care_insert, &a, &rows) != RES_OK)
		return (RES_ERR);
	care_row_map(rows, 0, made);

	return (RES_OK);
}

co_fn enum res
care_db_end(struct ctx *cx, const struct audit_event *event,
    const struct uuid *patient, const struct uuid *user)
{
	struct db_args a;
	struct db_rows *rows;

	access_write_args(cx, &a, event);
	db_uuid(&a, patient);
	db_uuid(&a, user);

	return (db_exec(&cx->env, &care_finish, &a, &rows));
}
