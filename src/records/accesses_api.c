/*
 * GET /v1/patients/{patient_id}/accesses: who did what with a record, when, on
 * what ground and through what. Asking is an access itself.
 */
#include "records/records_priv.h"

static void
write_actor(struct json_out *out, const struct record_access *r)
{
	json_key(out, "actor");
	json_obj(out);
	json_kstr(out, "kind", r->actor_kind);
	write_kuuid(out, "id", &r->actor);
	json_kstr(out, "name", r->actor_name);
	json_kstr(out, "role", r->actor_role);
	json_obj_end(out);
}

static void
write_basis(struct json_out *out, const struct record_access *r)
{
	json_key(out, "basis");
	json_obj(out);
	json_kstr(out, "kind", r->basis);
	json_kstr(out, "reason", r->basis_reason);
	write_ktime(out, "since", r->basis_since_us);
	write_kuuid(out, "grant_id", &r->grant);
	json_obj_end(out);
}

static void
write_through(struct json_out *out, const struct record_access *r)
{
	json_key(out, "through");
	json_obj(out);
	write_kuuid(out, "session_id", &r->session);
	write_kuuid(out, "key_id", &r->key);
	json_kstr(out, "key_prefix", r->key_prefix);
	json_kstr(out, "network", r->network);
	json_obj_end(out);
}

static void
write_access(struct json_out *out, const struct record_access *r)
{
	json_obj(out);
	json_kuuid(out, "id", &r->id);
	json_ktime(out, "at", r->at_us);
	json_kstr(out, "action", r->action);
	json_kstr(out, "outcome", r->outcome);
	write_actor(out, r);
	write_basis(out, r);
	write_through(out, r);
	json_obj_end(out);
}

/* An instant of the query; the schema has checked that it is one. */
static int64_t
instant(struct ctx *cx, const char *name)
{
	const char *text = json_get_str(cx->query, name);
	int64_t us;

	return (text != NULL && time_parse(text, &us) == RES_OK ? us : 0);
}

static co_fn enum res
fetch_page(struct ctx *cx, const struct page *page, struct db_rows **rows)
{
	const struct uuid *patient = ctx_param(cx, "patient_id");
	struct access_query q[2] = { [0] = { .stmt = accesses_visible_stmt },
		[1] = { .stmt = accesses_list_stmt } };
	struct accesses_want want = { instant(cx, "since"),
		instant(cx, "until") };
	struct audit_event event;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, "patient", patient);
	patient_args(cx, &q[0].args, patient);
	accesses_args(cx, &q[1].args, patient, page, &want);
	if (access_read(cx, &event, q, NELEM(q)) != RES_OK)
		return (RES_ERR);
	if (!db_col_bool(q[0].rows, 0, 0))
		return (audit_denied(cx, "patient", patient));
	*rows = q[1].rows;

	return (RES_OK);
}

co_fn enum res
patient_accesses(struct ctx *cx)
{
	struct record_access last;
	struct json_out *out;
	struct db_rows *rows = NULL;
	struct page page;
	bool more;
	int n;

	if (page_read(cx, ACCESSES_PAGE, ACCESSES_PAGE_MAX, &page) != RES_OK ||
	    fetch_page(cx, &page, &rows) != RES_OK)
		return (RES_ERR);
	more = db_count(rows) > page.limit;
	n = more ? page.limit : db_count(rows);
	out = json_out_new(cx->env.arena);
	json_obj(out);
	json_key(out, "items");
	json_arr(out);
	for (int i = 0; i < n; i++) {
		accesses_map(rows, i, &last);
		write_access(out, &last);
	}
	json_arr_end(out);
	page_write(cx, out, more, more ? &last.id : NULL);
	json_obj_end(out);
	reply_json(cx, 200, out);

	return (RES_OK);
}
