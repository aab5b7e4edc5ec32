/*
 * /v1/patients and /v1/patients/{patient_id}: from request to struct and
 * from struct to reply.
 */
#include "records/records_priv.h"

static void
write_patient(struct json_out *out, const struct patient *p)
{
	json_obj(out);
	json_kuuid(out, "id", &p->id);
	json_kint(out, "version", p->version);
	patient_write_fields(out, p, PART_UNSET);
	json_ktime(out, "created_at", p->created_us);
	json_ktime(out, "updated_at", p->updated_us);
	json_obj_end(out);
}

static enum res
reply_patient(struct ctx *cx, int status, const struct patient *p)
{
	struct json_out *out = json_out_new(cx->env.arena);

	write_patient(out, p);
	reply_header(
	    cx, "ETag", arena_printf(cx->env.arena, "\"%d\"", p->version));
	reply_json(cx, status, out);

	return (RES_OK);
}

co_fn enum res
patients_create(struct ctx *cx)
{
	struct patient p = { .version = 0 };
	char id[UUID_STRLEN + 1];

	patient_from_body(&p, cx->body);
	if (patient_check(&p, cx->now_us, cx->env.arena, &cx->env.err) !=
	    RES_OK)
		return (RES_ERR);
	if (patient_create(cx, &p) != RES_OK)
		return (RES_ERR);
	uuid_format(&p.id, id);
	reply_header(
	    cx, "Location", arena_printf(cx->env.arena, "/v1/patients/%s", id));

	return (reply_patient(cx, 201, &p));
}

co_fn enum res
patients_get(struct ctx *cx)
{
	struct patient p;

	if (patient_read(cx, ctx_param(cx, "patient_id"), &p) != RES_OK)
		return (RES_ERR);

	return (reply_patient(cx, 200, &p));
}

co_fn enum res
patients_list(struct ctx *cx)
{
	struct json_out *out;
	struct patient *list;
	struct page page;
	bool more;
	int n;

	if (page_read(cx, PATIENTS_PAGE, PATIENTS_PAGE_MAX, &page) != RES_OK)
		return (RES_ERR);
	if (patient_list(
		cx, &page, json_get_str(cx->query, "mrn"), &list, &n) != RES_OK)
		return (RES_ERR);
	more = n > page.limit;
	n = more ? page.limit : n;
	out = json_out_new(cx->env.arena);
	json_obj(out);
	json_key(out, "items");
	json_arr(out);
	for (int i = 0; i < n; i++)
		write_patient(out, &list[i]);
	json_arr_end(out);
	page_write(cx, out, more, more ? &list[n - 1].id : NULL);
	json_obj_end(out);
	reply_json(cx, 200, out);

	return (RES_OK);
}

co_fn enum res
patients_update(struct ctx *cx)
{
	const char *condition = ctx_header(cx, "if-match");
	struct patient p = { .version = 0 };

	if (if_match(condition, 0) == IF_MATCH_MALFORMED)
		return (err_fail(&cx->env.err, PROBLEM_MALFORMED_REQUEST,
		    "If-Match must be * or a list of entity tags, as in "
		    "\"3\"."));
	/* The rest was checked when it was stored, and required members
	 * take no null: what the patch says is all there is to check. */
	patient_from_body(&p, cx->body);
	if (patient_check(&p, cx->now_us, cx->env.arena, &cx->env.err) !=
	    RES_OK)
		return (RES_ERR);
	if (patient_update(cx, ctx_param(cx, "patient_id"), cx->body, condition,
		&p) != RES_OK)
		return (RES_ERR);

	return (reply_patient(cx, 200, &p));
}
