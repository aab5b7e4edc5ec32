/*
 * /v1/patients/{patient_id}/observations: from request to struct and from
 * struct to reply.
 */
#include "records/records_priv.h"

static void
write_observation(struct json_out *out, const struct observation *o)
{
	json_obj(out);
	json_kuuid(out, "id", &o->id);
	json_kuuid(out, "patient_id", &o->patient);
	observation_write_fields(out, o);
	json_ktime(out, "created_at", o->created_us);
	json_obj_end(out);
}

static enum res
reply_observation(struct ctx *cx, int status, const struct observation *o)
{
	struct json_out *out = json_out_new(cx->env.arena);

	write_observation(out, o);
	reply_json(cx, status, out);

	return (RES_OK);
}

co_fn enum res
observations_create(struct ctx *cx)
{
	struct observation o = { .patient = *ctx_param(cx, "patient_id") };
	char patient[UUID_STRLEN + 1], id[UUID_STRLEN + 1];

	if (observation_from_body(&o, cx->body, cx->now_us, cx->env.arena,
		&cx->env.err) != RES_OK)
		return (RES_ERR);
	if (observation_create(cx, &o) != RES_OK)
		return (RES_ERR);
	uuid_format(&o.patient, patient);
	uuid_format(&o.id, id);
	reply_header(cx, "Location",
	    arena_printf(
		cx->env.arena, "/v1/patients/%s/observations/%s", patient, id));

	return (reply_observation(cx, 201, &o));
}

co_fn enum res
observations_get(struct ctx *cx)
{
	struct observation o;

	if (observation_read(cx, ctx_param(cx, "patient_id"),
		ctx_param(cx, "observation_id"), &o) != RES_OK)
		return (RES_ERR);

	return (reply_observation(cx, 200, &o));
}

co_fn enum res
observations_list(struct ctx *cx)
{
	struct observation *list;
	struct json_out *out;
	struct page page;
	bool more;
	int n;

	if (page_read(cx, OBSERVATIONS_PAGE, OBSERVATIONS_PAGE_MAX, &page) !=
	    RES_OK)
		return (RES_ERR);
	if (observation_list(
		cx, ctx_param(cx, "patient_id"), &page, &list, &n) != RES_OK)
		return (RES_ERR);
	more = n > page.limit;
	n = more ? page.limit : n;
	out = json_out_new(cx->env.arena);
	json_obj(out);
	json_key(out, "items");
	json_arr(out);
	for (int i = 0; i < n; i++)
		write_observation(out, &list[i]);
	json_arr_end(out);
	page_write(cx, out, more, more ? &list[n - 1].id : NULL);
	json_obj_end(out);
	reply_json(cx, 200, out);

	return (RES_OK);
}
