/*
 * Problems as replies (RFC 9457, application/problem+json): those of a
 * request, with its id and the mistakes found in it.
 *
 * The type is a relative reference, "/problems/<slug>"; err.private never
 * leaves the server.
 */
#include <string.h>
#include <strings.h>

#include "http/http_priv.h"

static void
write_mistakes(struct json_out *out, const struct err *err)
{
	const struct err_field *f;

	json_key(out, "errors");
	json_arr(out);
	for (f = err->fields; f != NULL; f = f->next) {
		json_obj(out);
		json_kstr(out, "pointer", f->pointer);
		json_kstr(out, "code", f->code);
		json_kstr(out, "detail", f->detail);
		json_obj_end(out);
	}
	json_arr_end(out);
}

/* As the "quota-exceeded" of draft-ietf-httpapi-ratelimit-headers has it. */
static void
write_violated(struct json_out *out, const char *const *names)
{
	json_key(out, "violated-policies");
	json_arr(out);
	for (; *names != NULL; names++)
		json_str(out, *names);
	json_arr_end(out);
}

static void
write_problem(
    struct json_out *out, struct ctx *cx, const struct problem_row *row)
{
	const struct err *err = &cx->env.err;
	char id[UUID_STRLEN + 1];

	uuid_format(&cx->request_id, id);
	json_obj(out);
	json_kstr(out, "type",
	    arena_printf(cx->env.arena, "/problems/%s", row->slug));
	json_kstr(out, "title", row->title);
	json_kint(out, "status", row->status);
	if (err->detail[0] != '\0')
		json_kstr(out, "detail", err->detail);
	json_kstr(
	    out, "instance", arena_printf(cx->env.arena, "urn:uuid:%s", id));
	if (err->fields != NULL)
		write_mistakes(out, err);
	if (err->problem == PROBLEM_RATE_LIMITED && cx->rate_violated != NULL)
		write_violated(out, cx->rate_violated);
	json_obj_end(out);
}

/* What described the reply that is not sent now must not describe this. */
static void
drop_representation(struct ctx *cx)
{
	static const char *const names[] = { "ETag", "Location", "Link",
		"Last-Modified", "Content-Disposition", "Content-Encoding",
		"Content-Language", "Cache-Control" };
	struct reply_header **at;
	bool drop;

	for (at = &cx->headers; *at != NULL;) {
		drop = false;
		for (size_t i = 0; i < NELEM(names); i++)
			drop |= strcasecmp((*at)->name, names[i]) == 0;
		if (drop)
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
}

void
reply_problem(struct ctx *cx)
{
	struct err *err = &cx->env.err;
	const struct problem_row *row;
	struct json_out *out;

	/* The router's own answer to OPTIONS. */
	if (err->problem == PROBLEM_UNSET && cx->ep == NULL &&
	    cx->method == METHOD_OPTIONS && cx->status == 204)
		return;
	if (err->problem == PROBLEM_UNSET) {
		err_fail(err, PROBLEM_INTERNAL, "%s", "");
		err_private(err, "failed without saying why");
	}

	row = problem_row(err->problem);
	out = json_out_new(cx->env.arena);
	write_problem(out, cx, row);
	reply_json(cx, row->status, out);
	cx->content_type = PROBLEM_TYPE;
	drop_representation(cx);
	if (row->status == 401)
		reply_header(cx, "WWW-Authenticate", "Bearer");
	if (err->retry_after > 0)
		reply_header(cx, "Retry-After",
		    arena_printf(cx->env.arena, "%u", err->retry_after));
}
