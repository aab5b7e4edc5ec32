/*
 * SQL of who looked at a record: see migrations/0017_care.sql.
 */
#include <string.h>

#include "records/records_priv.h"

DB_STATEMENT(
    accesses_seen, DB_READ, "SELECT eleusis.accesses_visible($1, $2, $3)")
DB_STATEMENT(accesses_page, DB_READ,
    "SELECT id, occurred_at, action, outcome, actor_kind, actor_id,"
    " actor_name, actor_role, basis, basis_since, basis_reason, grant_id,"
    " session_id, key_id, key_prefix, network"
    " FROM eleusis.accesses_list($1, $2, $3, $4, $5, $6, $7)")

struct db_stmt *const accesses_visible_stmt = &accesses_seen;
struct db_stmt *const accesses_list_stmt = &accesses_page;

static void
bind_time(struct db_args *a, int64_t us)
{
	if (us != 0)
		db_time(a, us);
	else
		db_null(a);
}

void
accesses_args(struct ctx *cx, struct db_args *a, const struct uuid *patient,
    const struct page *page, const struct accesses_want *want)
{
	patient_args(cx, a, patient);
	db_uuid(a, page->has_after ? &page->after : NULL);
	db_int4(a, page->limit + 1);
	bind_time(a, want->since_us);
	bind_time(a, want->until_us);
}

void
accesses_map(const struct db_rows *rows, int row, struct record_access *r)
{
	memset(r, 0, sizeof(*r));
	db_col_uuid(rows, row, 0, &r->id);
	r->at_us = db_col_time(rows, row, 1);
	r->action = db_col_text(rows, row, 2);
	r->outcome = db_col_text(rows, row, 3);
	r->actor_kind = db_col_text(rows, row, 4);
	row_uuid(rows, row, 5, &r->actor);
	r->actor_name = row_text(rows, row, 6);
	r->actor_role = row_text(rows, row, 7);
	r->basis = db_col_text(rows, row, 8);
	r->basis_since_us = row_time(rows, row, 9);
	r->basis_reason = row_text(rows, row, 10);
	row_uuid(rows, row, 11, &r->grant);
	row_uuid(rows, row, 12, &r->session);
	row_uuid(rows, row, 13, &r->key);
	r->key_prefix = row_text(rows, row, 14);
	r->network = row_text(rows, row, 15);
}
