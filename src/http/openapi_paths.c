/*
 * The paths of the OpenAPI document: each row of the endpoint table as one
 * operation, with its parameters, body, replies and what it asks for.
 */
#include <stdio.h>
#include <string.h>

#include "http/http_priv.h"

static void
put_problem_ref(struct json_out *out, int status)
{
	char key[16], name[32];

	snprintf(key, sizeof(key), "%d", status);
	snprintf(name, sizeof(name), "Problem%d", status);
	openapi_named(out, key, "responses", name);
}

static void
put_path_parameter(struct json_out *out, const char *name, size_t len)
{
	json_obj(out);
	json_key(out, "name");
	json_strn(out, name, len);
	json_kstr(out, "in", "path");
	json_kbool(out, "required", true);
	json_key(out, "schema");
	json_obj(out);
	json_kstr(out, "type", "string");
	json_kstr(out, "format", "uuid");
	json_obj_end(out);
	json_obj_end(out);
}

static void
put_query_parameter(struct json_out *out, const struct field *f)
{
	json_obj(out);
	json_kstr(out, "name", f->name);
	json_kstr(out, "in", "query");
	json_kstr(out, "description", f->text);
	json_kbool(out, "required", f->flags & F_REQUIRED);
	json_key(out, "schema");
	json_obj(out);
	openapi_type(out, f, false);
	json_obj_end(out);
	json_obj_end(out);
}

/* Versioned resources have their version as ETag; others may say so. */
static bool
is_versioned(const struct endpoint *ep)
{
	const struct schema *s = ep->reply;

	if (ep->flags & EP_ETAG)
		return (true);

	for (unsigned i = 0; s != NULL && i < s->nfields; i++)
		if (s->fields[i].type == FIELD_INTEGER &&
		    strcmp(s->fields[i].name, "version") == 0)
			return (true);

	return (false);
}

static bool
is_conditional(const struct endpoint *ep)
{
	if (ep->flags & EP_ETAG)
		return (ep->method != METHOD_GET);
	return ((ep->flags & EP_MERGE_PATCH) && is_versioned(ep));
}

static void
put_header_parameter(struct json_out *out, const char *name, const char *text)
{
	json_obj(out);
	json_kstr(out, "name", name);
	json_kstr(out, "in", "header");
	json_kstr(out, "description", text);
	json_kbool(out, "required", false);
	json_key(out, "schema");
	json_obj(out);
	json_kstr(out, "type", "string");
	json_obj_end(out);
	json_obj_end(out);
}

static void
put_parameters(struct json_out *out, const struct endpoint *ep)
{
	const char *p;

	json_key(out, "parameters");
	json_arr(out);
	for (p = strchr(ep->path, '{'); p != NULL; p = strchr(p, '{')) {
		p++;
		put_path_parameter(out, p, strcspn(p, "}"));
	}
	for (unsigned i = 0; ep->query != NULL && i < ep->query->nfields; i++)
		put_query_parameter(out, &ep->query->fields[i]);
	if (is_conditional(ep))
		put_header_parameter(out, "If-Match",
		    "the ETag that was read: refused with 412 when the "
		    "resource has another version by now; without it the "
		    "change is made to the present version");
	if (ep->flags & EP_IDEMPOTENT)
		put_header_parameter(out, "Idempotency-Key",
		    "a new UUID for a new request: repeated with it within "
		    "a day, the request is answered again, not carried out "
		    "again (Idempotency-Replayed: true)");
	if (ep->auth != AUTH_PUBLIC && ep->method != METHOD_GET)
		put_header_parameter(out, "X-CSRF-Token",
		    "csrf_token of the log-in: required with the session "
		    "cookie, not looked at with a bearer token");
	json_arr_end(out);
}

static void
put_body(struct json_out *out, const struct endpoint *ep)
{
	char text[64];
	bool patch;

	if (ep->body == NULL)
		return;
	patch = ep->flags & EP_MERGE_PATCH;
	json_key(out, "requestBody");
	json_obj(out);
	snprintf(text, sizeof(text), "at most %zu bytes", ep->body_max);
	json_kstr(out, "description", text);
	json_kbool(out, "required", true);
	json_key(out, "content");
	json_obj(out);
	if (patch)
		openapi_media(
		    out, "application/merge-patch+json", ep->body, true);
	openapi_media(out,
	    ep->flags & EP_FORM ? "application/x-www-form-urlencoded" :
				  "application/json",
	    ep->body, patch);
	json_obj_end(out);
	json_obj_end(out);
}

static bool
is_paged(const struct endpoint *ep)
{
	for (unsigned i = 0; ep->query != NULL && i < ep->query->nfields; i++)
		if (strcmp(ep->query->fields[i].name, "cursor") == 0)
			return (true);

	return (false);
}

/* A reply that is not JSON of a schema may be of any kind; those that say
 * nothing but their status have none. */
static void
put_content(struct json_out *out, const struct endpoint *ep)
{
	if (ep->status == 204 || (ep->status == 202 && ep->reply == NULL))
		return;
	json_key(out, "content");
	json_obj(out);
	if (ep->reply != NULL) {
		openapi_media(out, "application/json", ep->reply, false);
	} else {
		json_key(out, "*/*");
		json_obj(out);
		json_obj_end(out);
	}
	json_obj_end(out);
}

static void
put_success(struct json_out *out, const struct endpoint *ep)
{
	const char *names[6];
	char key[16];
	unsigned n;

	n = 0;
	names[n++] = "X-Request-Id";
	if (ep->rate != RATE_NONE) {
		names[n++] = "RateLimit-Policy";
		names[n++] = "RateLimit";
	}
	if (ep->status == 201 || ep->status == 302)
		names[n++] = "Location";
	if (is_versioned(ep))
		names[n++] = "ETag";
	if (is_paged(ep))
		names[n++] = "Link";

	snprintf(key, sizeof(key), "%d", ep->status);
	json_key(out, key);
	json_obj(out);
	json_kstr(out, "description", ep->text);
	openapi_headers(out, names, n);
	put_content(out, ep);
	json_obj_end(out);
}

/* Which problems a row can meet follows from what it asks for; "default"
 * stands for the rest (a conflict, a bad method, an error of ours). */
static void
put_responses(struct json_out *out, const struct endpoint *ep)
{
	const struct {
		int status;
		bool possible;
	} problems[] = {
		{ 400, true },
		{ 401, ep->auth != AUTH_PUBLIC || ep->rate == RATE_AUTH },
		{ 403, ep->auth != AUTH_PUBLIC },
		{ 404, strchr(ep->path, '{') != NULL || ep->body != NULL },
		{ 406, ep->reply != NULL },
		{ 409, ep->body != NULL && ep->auth != AUTH_PUBLIC },
		{ 412, is_conditional(ep) },
		{ 413, ep->body != NULL },
		{ 415, ep->body != NULL },
		{ 422, ep->body != NULL },
		{ 429, ep->rate != RATE_NONE },
		{ 503, true },
	};

	json_key(out, "responses");
	json_obj(out);
	put_success(out, ep);
	for (size_t i = 0; i < NELEM(problems); i++)
		if (problems[i].possible)
			put_problem_ref(out, problems[i].status);
	openapi_named(out, "default", "responses", "Problem");
	json_obj_end(out);
}

static void
put_security(struct json_out *out, const struct endpoint *ep)
{
	static const char *const schemes[] = { "bearer", "cookie", "apiKey" };
	size_t n = 0;

	if (ep->auth != AUTH_PUBLIC)
		n = ep->auth == AUTH_ANY ? NELEM(schemes) : NELEM(schemes) - 1;
	json_key(out, "security");
	json_arr(out);
	for (size_t i = 0; i < n; i++) {
		json_obj(out);
		json_key(out, schemes[i]);
		json_arr(out);
		json_arr_end(out);
		json_obj_end(out);
	}
	json_arr_end(out);
}

static void
put_operation(struct json_out *out, const struct endpoint *ep)
{
	static const char *const keys[METHOD_MAX] = { [METHOD_GET] = "get",
		[METHOD_POST] = "post",
		[METHOD_PUT] = "put",
		[METHOD_PATCH] = "patch",
		[METHOD_DELETE] = "delete" };
	static const char *const rates[RATE_CLASS_MAX] = { [RATE_NONE] = "none",
		[RATE_AUTH] = "auth",
		[RATE_READ] = "read",
		[RATE_WRITE] = "write",
		[RATE_PREDICT] = "predict",
		[RATE_EXPORT] = "export" };

	json_key(out, keys[ep->method]);
	json_obj(out);
	json_kstr(out, "operationId", ep->name);
	json_kstr(out, "summary", ep->text);
	json_key(out, "tags");
	json_arr(out);
	json_str(out, ep->resource);
	json_arr_end(out);
	put_parameters(out, ep);
	put_body(out, ep);
	put_responses(out, ep);
	put_security(out, ep);
	json_kstr(out, "x-scope", ep->scope);
	json_kstr(out, "x-rate-class", rates[ep->rate]);
	json_kint(out, "x-rate-cost", ep->cost);
	json_kstr(out, "x-audit-action", ep->audit);
	json_obj_end(out);
}

static bool
path_was_before(unsigned row)
{
	for (unsigned i = 0; i < row; i++)
		if (strcmp(router_at(i)->path, router_at(row)->path) == 0)
			return (true);

	return (false);
}

void
openapi_paths(struct json_out *out)
{
	const struct endpoint *ep;

	json_key(out, "paths");
	json_obj(out);
	for (unsigned i = 0; i < router_count(); i++) {
		ep = router_at(i);
		/* Pages and their parts are for people. */
		if (strcmp(ep->resource, "pages") == 0 || path_was_before(i))
			continue;
		json_key(out, ep->path);
		json_obj(out);
		for (unsigned k = i; k < router_count(); k++)
			if (strcmp(router_at(k)->path, ep->path) == 0)
				put_operation(out, router_at(k));
		json_obj_end(out);
	}
	json_obj_end(out);
}
