/*
 * /v1/break-glass: from request to struct and from struct to reply.
 */
#include <string.h>

#include "records/records_priv.h"

static const char *
path_of(struct ctx *cx, const struct uuid *id)
{
	char text[UUID_STRLEN + 1];

	uuid_format(id, text);

	return (arena_printf(cx->env.arena, "/v1/break-glass/%s", text));
}

/* The schema checked forms and lengths, not these. */
static enum res
check_new(struct ctx *cx, const char *id, const char *mrn, const char *reason)
{
	struct err *err = &cx->env.err;

	if ((id == NULL) == (mrn == NULL))
		err_field(err, cx->env.arena, "/patient_id", "required",
		    "give either patient_id or mrn");
	if (reason[strspn(reason, " \t\r\n")] == '\0')
		err_field(err, cx->env.arena, "/reason", "format",
		    "must not be blank");
	if (err->nfields == 0)
		return (RES_OK);

	return (err_fail(err, PROBLEM_VALIDATION, "%u mistake%s: see errors",
	    err->nfields, err->nfields == 1 ? "" : "s"));
}

co_fn enum res
glass_open(struct ctx *cx)
{
	const char *id = json_get_str(cx->body, "patient_id");
	const char *mrn = json_get_str(cx->body, "mrn");
	const char *reason = json_get_str(cx->body, "reason");
	struct json_out *out;
	struct uuid patient;
	struct glass g;

	if (check_new(cx, id, mrn, reason) != RES_OK)
		return (RES_ERR);
	if (id != NULL && uuid_parse(id, &patient) != RES_OK)
		return (RES_ERR);
	if (break_glass_open(
		cx, id != NULL ? &patient : NULL, mrn, reason, &g) != RES_OK)
		return (RES_ERR);
	out = json_out_new(cx->env.arena);
	json_obj(out);
	json_kuuid(out, "id", &g.id);
	json_kuuid(out, "patient_id", &g.patient);
	json_ktime(out, "opened_at", g.opened_us);
	json_ktime(out, "until", g.until_us);
	json_obj_end(out);
	reply_header(cx, "Location", path_of(cx, &g.id));
	reply_json(cx, 201, out);

	return (RES_OK);
}

co_fn enum res
glass_end(struct ctx *cx)
{
	if (break_glass_end(cx, ctx_param(cx, "grant_id")) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 204);

	return (RES_OK);
}

/* The members, into an object that the caller has opened. */
static void
write_glass(struct json_out *out, const struct glass *g)
{
	json_kuuid(out, "id", &g->id);
	json_kuuid(out, "patient_id", &g->patient);
	json_kuuid(out, "user_id", &g->user);
	json_kstr(out, "user_name", g->user_name);
	json_kstr(out, "state", g->state);
	json_ktime(out, "opened_at", g->opened_us);
	json_ktime(out, "until", g->until_us);
	write_ktime(out, "ended_at", g->ended_us);
	write_kuuid(out, "ended_by", &g->ended_by);
	json_kstr(out, "verdict", g->verdict);
	write_ktime(out, "reviewed_at", g->reviewed_us);
	write_kuuid(out, "reviewed_by", &g->reviewed_by);
}

co_fn enum res
glass_list(struct ctx *cx)
{
	struct json_out *out;
	struct glass *list;
	struct page page;
	bool more;
	int n;

	if (page_read(cx, BREAK_GLASS_PAGE, BREAK_GLASS_PAGE_MAX, &page) !=
		RES_OK ||
	    break_glass_list(cx, json_get_str(cx->query, "state"), &page, &list,
		&n) != RES_OK)
		return (RES_ERR);
	more = n > page.limit;
	n = more ? page.limit : n;
	out = json_out_new(cx->env.arena);
	json_obj(out);
	json_key(out, "items");
	json_arr(out);
	for (int i = 0; i < n; i++) {
		json_obj(out);
		write_glass(out, &list[i]);
		json_obj_end(out);
	}
	json_arr_end(out);
	page_write(cx, out, more, more ? &list[n - 1].id : NULL);
	json_obj_end(out);
	reply_json(cx, 200, out);

	return (RES_OK);
}

co_fn enum res
glass_get(struct ctx *cx)
{
	struct json_out *out;
	struct glass g;

	if (break_glass_read(cx, ctx_param(cx, "grant_id"), &g) != RES_OK)
		return (RES_ERR);
	out = json_out_new(cx->env.arena);
	json_obj(out);
	write_glass(out, &g);
	json_kstr(out, "reason", g.reason);
	json_kstr(out, "note", g.note);
	json_obj_end(out);
	reply_json(cx, 200, out);

	return (RES_OK);
}

co_fn enum res
glass_review(struct ctx *cx)
{
	struct json_out *out;
	struct glass g;

	if (break_glass_review(cx, ctx_param(cx, "grant_id"),
		json_get_str(cx->body, "verdict"),
		json_get_str(cx->body, "note"), &g) != RES_OK)
		return (RES_ERR);
	out = json_out_new(cx->env.arena);
	json_obj(out);
	write_glass(out, &g);
	json_obj_end(out);
	reply_json(cx, 200, out);

	return (RES_OK);
}
