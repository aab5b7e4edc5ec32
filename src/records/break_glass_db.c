/*
 * SQL of emergencies: see migrations/0017_care.sql for who may do what.
 */
#include <string.h>

#include "records/records_priv.h"

DB_STATEMENT(glass_target, DB_READ,
    "SELECT state, patient_id, key_version, wrapped_key, retry_at"
    " FROM eleusis.break_glass_target($1, $2, $3, $4, $5)")
DB_STATEMENT(glass_insert, DB_WRITE,
    AUDIT_WITH "SELECT opened_at, until"
	       " FROM eleusis.break_glass_open($12, $13, $14, $15, $16, $17,"
	       " $18)")
DB_STATEMENT(
    glass_finish, DB_WRITE, "SELECT eleusis.break_glass_end($1, $2, $3)")
DB_STATEMENT(glass_note, DB_WRITE, AUDIT_WITH "SELECT 1")

#define SHOWN                                                           \
	" id, patient_id, user_id, user_name, state, opened_at, until," \
	" ended_at, ended_by, verdict, reviewed_at, reviewed_by"

DB_STATEMENT(glass_page, DB_READ,
    "SELECT" SHOWN " FROM eleusis.break_glass_list($1, $2, $3, $4, $5)")
DB_STATEMENT(glass_one, DB_READ,
    "SELECT" SHOWN ", reason, note, key_version, wrapped_key"
    " FROM eleusis.break_glass_reason($1, $2, $3)")
DB_STATEMENT(glass_judge, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.break_glass_review($12, $13, $14, $15, $16)")
DB_STATEMENT(glass_count, DB_READ, "SELECT eleusis.break_glass_unreviewed()")

static const struct {
	const char *name;
	enum glass_state state;
} states[] = {
	{ "closed", GLASS_CLOSED },
	{ "in_care", GLASS_IN_CARE },
	{ "unknown", GLASS_UNKNOWN },
	{ "too_many", GLASS_TOO_MANY },
};

/* What is not known is forbidden. */
static enum glass_state
state_parse(const char *name)
{
	for (size_t i = 0; i < NELEM(states); i++)
		if (strcmp(states[i].name, name) == 0)
			return (states[i].state);

	return (GLASS_FORBIDDEN);
}

static void
key_map(const struct db_rows *rows, int row, int col, struct wrapped_key *key)
{
	memset(key, 0, sizeof(*key));
	if (db_is_null(rows, row, col) || db_is_null(rows, row, col + 1))
		return;
	key->version = (uint32_t)db_col_int4(rows, row, col);
	key->wrapped = db_col_bytes(rows, row, col + 1, &key->len);
}

co_fn enum res
break_glass_db_target(struct ctx *cx, const struct uuid *patient,
    const uint8_t *mrn_index, struct glass_target *out)
{
	struct db_args a;
	struct db_rows *rows;

	patient_args(cx, &a, patient);
	db_bytes(&a, mrn_index, BLIND_INDEX_BYTES);
	db_int4(&a, (int32_t)setting_int(SETTING_BREAK_GLASS_HOURLY));
	if (db_exec(&cx->env, &glass_target, &a, &rows) != RES_OK)
		return (RES_ERR);
	out->state = state_parse(db_col_text(rows, 0, 0));
	row_uuid(rows, 0, 1, &out->patient);
	key_map(rows, 0, 2, &out->key);
	out->retry_us = row_time(rows, 0, 4);

	return (RES_OK);
}

co_fn enum res
break_glass_db_open(struct ctx *cx, const struct audit_event *event,
    const struct sealed *reason, struct glass *g)
{
	struct db_args a;
	struct db_rows *rows;

	access_write_args(cx, &a, event);
	db_uuid(&a, &g->id);
	db_uuid(&a, &g->patient);
	db_bytes(&a, reason->data, reason->len);
	db_int4(&a, (int32_t)setting_int(SETTING_BREAK_GLASS_MINUTES));
	db_int4(&a, (int32_t)setting_int(SETTING_BREAK_GLASS_HOURLY));
	if (db_exec(&cx->env, &glass_insert, &a, &rows) != RES_OK)
		return (RES_ERR);
	g->opened_us = db_col_time(rows, 0, 0);
	g->until_us = db_col_time(rows, 0, 1);

	return (RES_OK);
}

co_fn enum res
break_glass_db_end(struct ctx *cx, const struct uuid *id, struct uuid *patient)
{
	struct db_args a;
	struct db_rows *rows;

	patient_args(cx, &a, id);
	if (db_exec(&cx->env, &glass_finish, &a, &rows) != RES_OK)
		return (RES_ERR);
	db_col_uuid(rows, 0, 0, patient);

	return (RES_OK);
}

co_fn enum res
break_glass_db_note_end(struct ctx *cx, const struct audit_event *event)
{
	struct db_args a;
	struct db_rows *rows;

	db_args(&a, &cx->env);
	audit_bind(&a, event);

	return (db_exec(&cx->env, &glass_note, &a, &rows));
}

enum res
break_glass_db_list_start(struct ctx *cx, const char *state,
    const struct page *page, struct db_op **op)
{
	struct db_args a;

	access_args(cx, &a);
	db_text(&a, state);
	db_uuid(&a, page->has_after ? &page->after : NULL);
	db_int4(&a, page->limit + 1);

	return (db_start(&cx->env, &glass_page, &a, op));
}

void
break_glass_map(const struct db_rows *rows, int row, struct glass *g)
{
	memset(g, 0, sizeof(*g));
	db_col_uuid(rows, row, 0, &g->id);
	db_col_uuid(rows, row, 1, &g->patient);
	db_col_uuid(rows, row, 2, &g->user);
	g->user_name = db_col_text(rows, row, 3);
	g->state = db_col_text(rows, row, 4);
	g->opened_us = db_col_time(rows, row, 5);
	g->until_us = db_col_time(rows, row, 6);
	g->ended_us = row_time(rows, row, 7);
	row_uuid(rows, row, 8, &g->ended_by);
	g->verdict = row_text(rows, row, 9);
	g->reviewed_us = row_time(rows, row, 10);
	row_uuid(rows, row, 11, &g->reviewed_by);
}

static void
sealed_map(const struct db_rows *rows, int row, int col, struct sealed *out)
{
	memset(out, 0, sizeof(*out));
	if (!db_is_null(rows, row, col))
		out->data = db_col_bytes(rows, row, col, &out->len);
}

co_fn enum res
break_glass_db_read(
    struct ctx *cx, const struct uuid *id, struct glass_row *out, bool *found)
{
	struct db_args a;
	struct db_rows *rows;

	patient_args(cx, &a, id);
	if (db_exec(&cx->env, &glass_one, &a, &rows) != RES_OK)
		return (RES_ERR);
	if (!(*found = db_count(rows) > 0))
		return (RES_OK);
	break_glass_map(rows, 0, &out->glass);
	sealed_map(rows, 0, 12, &out->reason);
	sealed_map(rows, 0, 13, &out->note);
	key_map(rows, 0, 14, &out->key);

	return (RES_OK);
}

co_fn enum res
break_glass_db_review(struct ctx *cx, const struct audit_event *event,
    const struct uuid *id, const char *verdict, const struct sealed *note,
    int64_t *reviewed_us)
{
	struct db_args a;
	struct db_rows *rows;

	access_write_args(cx, &a, event);
	db_uuid(&a, id);
	db_text(&a, verdict);
	db_bytes(&a, note->data, note->len);
	if (db_exec(&cx->env, &glass_judge, &a, &rows) != RES_OK)
		return (RES_ERR);
	*reviewed_us = db_col_time(rows, 0, 0);

	return (RES_OK);
}

co_fn enum res
break_glass_db_count(struct env *env, int64_t *unreviewed)
{
	struct db_args a;
	struct db_rows *rows;

	db_args(&a, env);
	if (db_exec(env, &glass_count, &a, &rows) != RES_OK)
		return (RES_ERR);
	*unreviewed = db_col_int8(rows, 0, 0);

	return (RES_OK);
}
