/*
 * /v1/patients/{patient_id}/care: from request to struct and from struct to
 * reply.
 */
#include "records/records_priv.h"

static void
write_care(struct json_out *out, const struct care *c)
{
	json_obj(out);
	json_kuuid(out, "id", &c->id);
	json_kuuid(out, "user_id", &c->user);
	json_kstr(out, "user_name", c->name);
	json_kstr(out, "user_role", c->role);
	json_kstr(out, "kind", c->kind);
	json_kstr(out, "reason", c->reason);
	write_kuuid(out, "granted_by", &c->granted_by);
	write_kuuid(out, "grant_id", &c->grant);
	json_ktime(out, "since", c->since_us);
	write_ktime(out, "until", c->until_us);
	write_ktime(out, "ended_at", c->ended_us);
	write_kuuid(out, "ended_by", &c->ended_by);
	json_kbool(out, "in_force", c->in_force);
	json_obj_end(out);
}

co_fn enum res
patient_care_list(struct ctx *cx)
{
	const struct jval *history = json_get(cx->query, "history");
	struct json_out *out;
	struct care *list;
	struct page page;
	bool more;
	int n;

	if (page_read(cx, CARE_PAGE, CARE_PAGE_MAX, &page) != RES_OK ||
	    care_read(cx, ctx_param(cx, "patient_id"),
		history != NULL && history->b, &page, &list, &n) != RES_OK)
		return (RES_ERR);
	more = n > page.limit;
	n = more ? page.limit : n;
	out = json_out_new(cx->env.arena);
	json_obj(out);
	json_key(out, "items");
	json_arr(out);
	for (int i = 0; i < n; i++)
		write_care(out, &list[i]);
	json_arr_end(out);
	page_write(cx, out, more, more ? &list[n - 1].id : NULL);
	json_obj_end(out);
	reply_json(cx, 200, out);

	return (RES_OK);
}

static enum res
take_until(struct ctx *cx, struct care_new *want)
{
	const char *text = json_get_str(cx->body, "until");

	/* The schema has checked its form. */
	if (text == NULL || time_parse(text, &want->until_us) != RES_OK ||
	    want->until_us > cx->now_us)
		return (RES_OK);
	err_field(&cx->env.err, cx->env.arena, "/until", "min",
	    "must be in the future");

	return (err_fail(
	    &cx->env.err, PROBLEM_VALIDATION, "1 mistake: see errors"));
}

static const char *
path_of(struct ctx *cx, const struct uuid *patient, const struct uuid *user)
{
	char a[UUID_STRLEN + 1], b[UUID_STRLEN + 1];

	uuid_format(patient, a);
	uuid_format(user, b);

	return (arena_printf(cx->env.arena, "/v1/patients/%s/care/%s", a, b));
}

co_fn enum res
patient_care_grant(struct ctx *cx)
{
	const struct uuid *patient = ctx_param(cx, "patient_id");
	struct care_new want = { .reason = json_get_str(cx->body, "reason") };
	struct json_out *out;
	struct care made;

	if (take_until(cx, &want) != RES_OK ||
	    uuid_parse(json_get_str(cx->body, "user_id"), &want.user) !=
		RES_OK ||
	    care_grant(cx, patient, &want, &made) != RES_OK)
		return (RES_ERR);
	reply_header(cx, "Location", path_of(cx, patient, &made.user));
	out = json_out_new(cx->env.arena);
	write_care(out, &made);
	reply_json(cx, 201, out);

	return (RES_OK);
}

co_fn enum res
patient_care_end(struct ctx *cx)
{
	if (care_end(cx, ctx_param(cx, "patient_id"),
		ctx_param(cx, "user_id")) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 204);

	return (RES_OK);
}
