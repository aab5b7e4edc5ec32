/*
 * Reading the audit log: GET /v1/audit/events and one event. Reading it is
 * itself audited.
 */
#include <string.h>

#include "audit/audit.h"

#define EVENT_COLUMNS                                             \
	"id, occurred_at, action, outcome, actor_kind, actor_id," \
	" object_type, object_id, request_id, host(client_ip),"   \
	" detail::text"

DB_STATEMENT(audit_select, DB_READ,
    "SELECT " EVENT_COLUMNS " FROM eleusis.audit_event WHERE id = $1")

/* Filters are optional; an absent one is null. */
DB_STATEMENT(audit_select_page, DB_READ,
    "SELECT " EVENT_COLUMNS " FROM eleusis.audit_event"
    " WHERE ($1::uuid IS NULL OR id < $1)"
    " AND ($2::uuid IS NULL OR object_id = $2)"
    " AND ($3::uuid IS NULL OR actor_id = $3)"
    " AND ($4::text IS NULL OR action = $4)"
    " AND ($5::uuid IS NULL OR request_id = $5)"
    " ORDER BY id DESC LIMIT $6")

#define PAGE_DEFAULT 50
#define PAGE_MAX     200

static const struct field actor_fields[] = {
	{ "kind", FIELD_ENUM, F_REQUIRED, 0, 0, "user|anonymous|system", NULL,
	    "what acted" },
	{ "id", FIELD_UUID, F_REQUIRED | F_NULLABLE, 0, 0, NULL, NULL,
	    "the user" },
};
static const struct schema schema_actor = { "AuditActor", "Who acted.",
	actor_fields, NELEM(actor_fields) };

static const struct field object_fields[] = {
	{ "type", FIELD_STRING, F_REQUIRED | F_NULLABLE, 0, 64, NULL, NULL,
	    "patient, observation, prediction, user ..." },
	{ "id", FIELD_UUID, F_REQUIRED | F_NULLABLE, 0, 0, NULL, NULL,
	    "its id" },
};
static const struct schema schema_object = { "AuditObject",
	"What was acted on.", object_fields, NELEM(object_fields) };

static const struct field event_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "the event" },
	{ "occurred_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL, "when" },
	{ "action", FIELD_STRING, F_REQUIRED, 1, 64, NULL, NULL,
	    "what was done, such as patient.read" },
	{ "outcome", FIELD_ENUM, F_REQUIRED, 0, 0, "allowed|denied|failed",
	    NULL, "how it ended; see the API description" },
	{ "actor", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_actor, "who" },
	{ "object", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_object,
	    "on what" },
	{ "request_id", FIELD_UUID, F_REQUIRED | F_NULLABLE, 0, 0, NULL, NULL,
	    "equals the reply's X-Request-Id" },
	{ "client_ip", FIELD_STRING, F_REQUIRED | F_NULLABLE, 0, 45, NULL, NULL,
	    "the peer's address" },
	{ "detail", FIELD_OBJECT, F_REQUIRED | F_NULLABLE, 0, 0, NULL, NULL,
	    "ids, versions and digests; never clinical content" },
};
const struct schema schema_audit_event = { "AuditEvent",
	"One row of the audit log.", event_fields, NELEM(event_fields) };

static const struct field page_fields[] = {
	{ "items", FIELD_ARRAY, F_REQUIRED, 0, PAGE_MAX, NULL,
	    &schema_audit_event, "newest first" },
	{ "next_cursor", FIELD_STRING, F_REQUIRED | F_NULLABLE, 0, 64, NULL,
	    NULL, "for the next page; null on the last" },
};
const struct schema schema_audit_page = { "AuditPage",
	"A page of the audit log.", page_fields, NELEM(page_fields) };

static const struct field query_fields[] = {
	{ "limit", FIELD_INTEGER, 0, 1, PAGE_MAX, NULL, NULL,
	    "rows a page (50)" },
	{ "cursor", FIELD_STRING, 0, 1, 64, NULL, NULL,
	    "next_cursor of the page before" },
	{ "object_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "only rows about this object" },
	{ "actor_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "only rows of this actor" },
	{ "request_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "only rows of this request" },
	{ "action", FIELD_STRING, 0, 1, 64, NULL, NULL,
	    "only rows of this action" },
};
const struct schema schema_audit_query = { "AuditQuery",
	"Filters of the audit log.", query_fields, NELEM(query_fields) };

static void
write_uuid(
    struct json_out *o, const char *key, struct db_rows *r, int row, int col)
{
	struct uuid id;

	json_key(o, key);
	if (db_is_null(r, row, col)) {
		json_null(o);
		return;
	}
	db_col_uuid(r, row, col, &id);
	json_uuid(o, &id);
}

static void
write_text(
    struct json_out *o, const char *key, struct db_rows *r, int row, int col)
{
	json_kstr(
	    o, key, db_is_null(r, row, col) ? NULL : db_col_text(r, row, col));
}

static void
write_detail(struct ctx *cx, struct json_out *o, struct db_rows *r, int row)
{
	struct jval *v;
	const char *text;
	struct err ignored;

	err_clear(&ignored);
	json_key(o, "detail");
	text = db_is_null(r, row, 10) ? "null" : db_col_text(r, row, 10);
	if (json_parse(cx->env.arena, text, strlen(text), JSON_DEPTH_MAX, &v,
		&ignored) == RES_OK)
		json_value(o, v);
	else
		json_null(o);
}

static void
write_event(struct ctx *cx, struct json_out *o, struct db_rows *r, int row)
{
	json_obj(o);
	write_uuid(o, "id", r, row, 0);
	json_ktime(o, "occurred_at", db_col_time(r, row, 1));
	write_text(o, "action", r, row, 2);
	write_text(o, "outcome", r, row, 3);
	json_key(o, "actor");
	json_obj(o);
	write_text(o, "kind", r, row, 4);
	write_uuid(o, "id", r, row, 5);
	json_obj_end(o);
	json_key(o, "object");
	json_obj(o);
	write_text(o, "type", r, row, 6);
	write_uuid(o, "id", r, row, 7);
	json_obj_end(o);
	write_uuid(o, "request_id", r, row, 8);
	write_text(o, "client_ip", r, row, 9);
	write_detail(cx, o, r, row);
	json_obj_end(o);
}

/* A filter of the query, or null. */
static void
bind_filter(struct db_args *a, struct ctx *cx, const char *name, bool is_id)
{
	const char *s = json_get_str(cx->query, name);
	struct uuid id;

	if (s == NULL)
		db_null(a);
	else if (!is_id)
		db_text(a, s);
	else if (uuid_parse(s, &id) == RES_OK)
		db_uuid(a, &id);
	else
		db_null(a); /* not reached: the schema checked it */
}

co_fn enum res
audit_list(struct ctx *cx)
{
	struct audit_event ev;
	struct page page;
	struct db_args a;
	struct db_rows *r;
	struct json_out *o;
	struct uuid last = { { 0 } };
	int n;

	if (page_read(cx, PAGE_DEFAULT, PAGE_MAX, &page) != RES_OK)
		return (RES_ERR);
	audit_event(cx, &ev, AUDIT_ALLOWED);
	if (audit_append(cx, &ev) != RES_OK)
		return (RES_ERR);
	db_args(&a, &cx->env);
	db_uuid(&a, page.has_after ? &page.after : NULL);
	bind_filter(&a, cx, "object_id", true);
	bind_filter(&a, cx, "actor_id", true);
	bind_filter(&a, cx, "action", false);
	bind_filter(&a, cx, "request_id", true);
	db_int8(&a, page.limit + 1);
	if (db_exec(&cx->env, &audit_select_page, &a, &r) != RES_OK)
		return (RES_ERR);
	n = db_count(r) > page.limit ? page.limit : db_count(r);
	o = json_out_new(cx->env.arena);
	json_obj(o);
	json_key(o, "items");
	json_arr(o);
	for (int i = 0; i < n; i++)
		write_event(cx, o, r, i);
	json_arr_end(o);
	if (n > 0)
		db_col_uuid(r, n - 1, 0, &last);
	page_write(cx, o, db_count(r) > page.limit, &last);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

co_fn enum res
audit_get(struct ctx *cx)
{
	const struct uuid *id = ctx_param(cx, "event_id");
	struct audit_event ev;
	struct audit_ticket *ticket;
	struct db_args a;
	struct db_op *op;
	struct db_rows *r;
	struct json_out *o;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "audit_event", id);
	db_args(&a, &cx->env);
	db_uuid(&a, id);
	if (audit_start(cx, &ev, &ticket) != RES_OK ||
	    db_start(&cx->env, &audit_select, &a, &op) != RES_OK ||
	    audit_wait(cx, ticket) != RES_OK ||
	    db_wait(&cx->env, op, &r) != RES_OK)
		return (RES_ERR);
	if (db_count(r) == 0) {
		audit_event(cx, &ev, AUDIT_FAILED);
		audit_object(&ev, "audit_event", id);
		if (audit_append(cx, &ev) != RES_OK)
			return (RES_ERR);
		return (err_fail(&cx->env.err, PROBLEM_NOT_FOUND,
		    "There is no audit event with this id."));
	}
	o = json_out_new(cx->env.arena);
	write_event(cx, o, r, 0);
	reply_json(cx, 200, o);
	return (RES_OK);
}
