/*
 * Reading the audit log: GET /v1/audit/events and one event. Reading it is
 * itself audited.
 */
#include <string.h>

#include "audit/audit_priv.h"

#define PAGE_DEFAULT 50
#define PAGE_MAX     200

static const struct field actor_fields[] = {
	{ "kind", FIELD_ENUM, F_REQUIRED, 0, 0, "user|anonymous|system", NULL,
	    "what acted" },
	{ "id", FIELD_UUID, F_REQUIRED | F_NULLABLE, 0, 0, NULL, NULL,
	    "the user" },
	{ "key_id", FIELD_UUID, F_REQUIRED | F_NULLABLE, 0, 0, NULL, NULL,
	    "the API key that the request was made with; null: a session, or "
	    "none" },
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
	{ "patient_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "only rows about this patient, lists that named her included" },
	{ "object_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "only rows about this object" },
	{ "actor_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "only rows of this actor" },
	{ "key_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "only rows of requests made with this API key" },
	{ "request_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "only rows of this request" },
	{ "action", FIELD_STRING, 0, 1, 64, NULL, NULL,
	    "only rows of this action" },
};
const struct schema schema_audit_query = { "AuditQuery",
	"Filters of the audit log.", query_fields, NELEM(query_fields) };

/* nil: null */
static void
write_id(struct json_out *o, const char *key, const struct uuid *id)
{
	if (uuid_is_nil(id)) {
		json_key(o, key);
		json_null(o);
		return;
	}
	json_kuuid(o, key, id);
}

static void
write_detail(struct ctx *cx, struct json_out *o, const char *text)
{
	struct jval *v;
	struct err ignored;

	err_clear(&ignored);
	json_key(o, "detail");
	if (text != NULL && json_parse(cx->env.arena, text, strlen(text),
				JSON_DEPTH_MAX, &v, &ignored) == RES_OK)
		json_value(o, v);
	else
		json_null(o);
}

static void
write_event(struct ctx *cx, struct json_out *o, const struct audit_event *ev)
{
	json_obj(o);
	json_kuuid(o, "id", &ev->id);
	json_ktime(o, "occurred_at", ev->at_us);
	json_kstr(o, "action", ev->action);
	json_kstr(o, "outcome", audit_outcome_name(ev));
	json_key(o, "actor");
	json_obj(o);
	json_kstr(o, "kind", ev->actor_kind);
	write_id(o, "id", &ev->actor_id);
	write_id(o, "key_id", &ev->key_id);
	json_obj_end(o);
	json_key(o, "object");
	json_obj(o);
	json_kstr(o, "type", ev->object_type);
	write_id(o, "id", &ev->object_id);
	json_obj_end(o);
	write_id(o, "request_id", &ev->request_id);
	json_kstr(o, "client_ip", ev->client_ip);
	write_detail(cx, o, ev->detail);
	json_obj_end(o);
}

/* An id of the query into room for it; NULL: not given. */
static const struct uuid *
filter_id(struct ctx *cx, const char *name, struct uuid *room)
{
	const char *s = json_get_str(cx->query, name);

	/* The schema has checked that it is one. */
	return (s != NULL && uuid_parse(s, room) == RES_OK ? room : NULL);
}

static co_fn enum res
find(struct ctx *cx, const struct page *page, struct db_rows **rows)
{
	struct uuid patient, object, actor, request, key;
	struct audit_filter want = {
		.patient_id = filter_id(cx, "patient_id", &patient),
		.object_id = filter_id(cx, "object_id", &object),
		.actor_id = filter_id(cx, "actor_id", &actor),
		.request_id = filter_id(cx, "request_id", &request),
		.key_id = filter_id(cx, "key_id", &key),
		.action = json_get_str(cx->query, "action"),
	};

	return (audit_list_db_page(cx, page, &want, rows));
}

co_fn enum res
audit_list(struct ctx *cx)
{
	struct audit_event ev, shown;
	struct page page;
	struct db_rows *rows;
	struct json_out *o;
	int n;

	if (page_read(cx, PAGE_DEFAULT, PAGE_MAX, &page) != RES_OK)
		return (RES_ERR);
	audit_event(cx, &ev, AUDIT_ALLOWED);
	if (audit_append(cx, &ev) != RES_OK || find(cx, &page, &rows) != RES_OK)
		return (RES_ERR);
	n = db_count(rows) > page.limit ? page.limit : db_count(rows);
	memset(&shown, 0, sizeof(shown));
	o = json_out_new(cx->env.arena);
	json_obj(o);
	json_key(o, "items");
	json_arr(o);
	for (int i = 0; i < n; i++) {
		audit_list_db_map(rows, i, &shown);
		write_event(cx, o, &shown);
	}
	json_arr_end(o);
	page_write(cx, o, db_count(rows) > page.limit, &shown.id);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

co_fn enum res
audit_get(struct ctx *cx)
{
	const struct uuid *id = ctx_param(cx, "event_id");
	struct audit_event ev, shown;
	struct audit_ticket *ticket;
	struct db_op *op;
	struct db_rows *rows;
	struct json_out *o;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "audit_event", id);
	if (audit_start(cx, &ev, &ticket) != RES_OK ||
	    audit_list_db_one(cx, id, &op) != RES_OK ||
	    audit_wait(cx, ticket) != RES_OK ||
	    db_wait(&cx->env, op, &rows) != RES_OK)
		return (RES_ERR);
	if (db_count(rows) == 0) {
		audit_event(cx, &ev, AUDIT_FAILED);
		audit_object(&ev, "audit_event", id);
		if (audit_append(cx, &ev) != RES_OK)
			return (RES_ERR);
		return (err_fail(&cx->env.err, PROBLEM_NOT_FOUND,
		    "There is no audit event with this id."));
	}
	audit_list_db_map(rows, 0, &shown);
	o = json_out_new(cx->env.arena);
	write_event(cx, o, &shown);
	reply_json(cx, 200, o);
	return (RES_OK);
}
