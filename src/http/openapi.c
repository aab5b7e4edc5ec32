/*
 * The OpenAPI 3.1 document, made once from the table that routes requests,
 * so that it cannot say anything else than what the server does. It lives in
 * an arena of its own.
 */
#include <stdio.h>
#include <string.h>

#include "http/http_priv.h"

#define API_VERSION "1.0.0" /* of /v1 as described; semantic versioning */

static struct arena *arena;
static const char *document;
static size_t document_len;

/* ---- shared with openapi_paths.c ---------------------------------------- */

void
openapi_named(
    struct json_out *out, const char *key, const char *where, const char *name)
{
	char ref[200];

	snprintf(ref, sizeof(ref), "#/components/%s/%s", where, name);
	json_key(out, key);
	json_obj(out);
	json_kstr(out, "$ref", ref);
	json_obj_end(out);
}

void
openapi_headers(struct json_out *out, const char *const *names, unsigned n)
{
	json_key(out, "headers");
	json_obj(out);
	for (unsigned i = 0; i < n; i++)
		openapi_named(out, names[i], "headers", names[i]);
	json_obj_end(out);
}

void
openapi_media(
    struct json_out *out, const char *type, const struct schema *s, bool patch)
{
	json_key(out, type);
	json_obj(out);
	json_key(out, "schema");
	openapi_ref(out, s, patch);
	json_obj_end(out);
}

/* ---- components --------------------------------------------------------- */

static const struct field mistake_fields[] = {
	{ "pointer", FIELD_STRING, F_REQUIRED, 0, 0, NULL, NULL,
	    "RFC 6901 pointer into the body, or ?name of a query parameter" },
	{ "code", FIELD_STRING, F_REQUIRED, 0, 0, NULL, NULL,
	    "what is wrong, for programs: required, unknown, duplicate, "
	    "type, null, min, max, min_length, max_length, enum, format, or "
	    "one that belongs to the operation" },
	{ "detail", FIELD_STRING, F_REQUIRED, 0, 0, NULL, NULL,
	    "what is expected, for people" },
};
static const struct schema mistake_schema = { "ProblemError",
	"One mistake in a body or query", mistake_fields,
	NELEM(mistake_fields) };
static const struct field problem_fields[] = {
	{ "type", FIELD_STRING, F_REQUIRED, 0, 0, NULL, NULL,
	    "stable name of the problem: /problems/ and its slug" },
	{ "title", FIELD_STRING, F_REQUIRED, 0, 0, NULL, NULL,
	    "the same for every problem of this type" },
	{ "status", FIELD_INTEGER, F_REQUIRED, 400, 599, NULL, NULL,
	    "the HTTP status" },
	{ "detail", FIELD_STRING, 0, 0, 0, NULL, NULL,
	    "about this occurrence" },
	{ "instance", FIELD_STRING, 0, 0, 0, NULL, NULL,
	    "urn:uuid: and the request's id, to be quoted to the operator" },
	{ "errors", FIELD_ARRAY, 0, 1, 50, NULL, &mistake_schema,
	    "every mistake found, up to 50" },
	{ "violated-policies", FIELD_ARRAY, 0, 1, 3, NULL, NULL,
	    "of rate-limited: the names, as in RateLimit-Policy, of the "
	    "limits that refused" },
};
static const struct schema problem_schema = { "Problem", "A problem (RFC 9457)",
	problem_fields, NELEM(problem_fields) };

static void
put_schemas(struct json_out *out)
{
	struct components all = { 0 };
	const struct endpoint *ep;

	components_add(&all, &problem_schema, false);
	for (unsigned i = 0; i < router_count(); i++) {
		ep = router_at(i);
		components_add(&all, ep->body, ep->flags & EP_MERGE_PATCH);
		components_add(&all, ep->reply, false);
	}
	json_key(out, "schemas");
	json_obj(out);
	for (unsigned i = 0; i < all.n; i++)
		openapi_component(out, &all.list[i]);
	json_obj_end(out);
	components_done(&all);
}

static void
put_headers(struct json_out *out)
{
	static const struct {
		const char *name, *text;
	} headers[] = {
		{ "X-Request-Id", "the request's id, as in the audit log" },
		{ "RateLimit-Policy",
		    "the limits that the request counts towards, each with "
		    "the units that may come at once and the seconds in "
		    "which they come back: \"read-user\";q=2000;w=20, "
		    "\"read-network\";q=40000;w=20" },
		{ "RateLimit",
		    "of the tightest of them, or those that refused: what "
		    "is left, and the seconds until it is whole or would let "
		    "the request pass: \"read-user\";r=1999;t=1" },
		{ "Location", "the path of what was created" },
		{ "ETag", "the version in quotes, for If-Match: \"1\"" },
		{ "Link", "rel=\"next\": the next page (RFC 8288)" },
		{ "Retry-After", "seconds to wait before another try" },
		{ "WWW-Authenticate", "Bearer" },
		{ "Allow", "the methods that the resource has" },
		{ "Accept-Post", "the media types of a body" },
		{ "Accept-Patch", "the media types of a patch" },
	};

	json_key(out, "headers");
	json_obj(out);
	for (size_t i = 0; i < NELEM(headers); i++) {
		json_key(out, headers[i].name);
		json_obj(out);
		json_kstr(out, "description", headers[i].text);
		json_key(out, "schema");
		json_obj(out);
		json_kstr(out, "type", "string");
		json_obj_end(out);
		json_obj_end(out);
	}
	json_obj_end(out);
}

/* Of a request that was counted; the others are refused before. */
static bool
may_be_counted(int status)
{
	static const int before[] = { 405, 406, 408, 411, 414, 421, 431, 501,
		505 };

	for (size_t i = 0; i < NELEM(before); i++)
		if (before[i] == status)
			return (false);

	return (true);
}

static void
put_problem_response(
    struct json_out *out, const char *name, int status, const char *text)
{
	const char *headers[5];
	unsigned n;

	n = 0;
	headers[n++] = "X-Request-Id";
	if (may_be_counted(status)) {
		headers[n++] = "RateLimit-Policy";
		headers[n++] = "RateLimit";
	}
	if (status == 401)
		headers[n++] = "WWW-Authenticate";
	else if (status == 405)
		headers[n++] = "Allow";
	else if (status == 415) {
		headers[n++] = "Accept-Post";
		headers[n++] = "Accept-Patch";
	} else if (status == 429 || status == 503)
		headers[n++] = "Retry-After";

	json_key(out, name);
	json_obj(out);
	json_kstr(out, "description", text);
	openapi_headers(out, headers, n);
	json_key(out, "content");
	json_obj(out);
	openapi_media(out, "application/problem+json", &problem_schema, false);
	json_obj_end(out);
	json_obj_end(out);
}

/* "slug: title; slug: title" of all problems with this status. */
static const char *
problems_text(int status)
{
	const struct problem_row *row;
	struct buf b;

	buf_init(&b, arena, 128);
	for (enum problem p = PROBLEM_UNSET + 1; p < PROBLEM_MAX; p++) {
		row = problem_row(p);
		if (row->status == status)
			buf_printf(&b, "%s`%s`: %s", b.len > 0 ? "; " : "",
			    row->slug, row->title);
	}

	return (b.data);
}

static bool
status_was_before(enum problem p)
{
	for (enum problem q = PROBLEM_UNSET + 1; q < p; q++)
		if (problem_row(q)->status == problem_row(p)->status)
			return (true);

	return (false);
}

static void
put_problem_responses(struct json_out *out)
{
	int status;

	json_key(out, "responses");
	json_obj(out);
	put_problem_response(out, "Problem", 0, "Any other problem");
	for (enum problem p = PROBLEM_UNSET + 1; p < PROBLEM_MAX; p++) {
		if (status_was_before(p))
			continue;
		status = problem_row(p)->status;
		put_problem_response(out,
		    arena_printf(arena, "Problem%d", status), status,
		    problems_text(status));
	}
	json_obj_end(out);
}

static void
put_security_schemes(struct json_out *out)
{
	json_key(out, "securitySchemes");
	json_obj(out);
	json_key(out, "bearer");
	json_obj(out);
	json_kstr(out, "type", "http");
	json_kstr(out, "scheme", "bearer");
	json_kstr(out, "description", "the token of a log-in");
	json_obj_end(out);
	json_key(out, "cookie");
	json_obj(out);
	json_kstr(out, "type", "apiKey");
	json_kstr(out, "in", "cookie");
	json_kstr(out, "name", "__Host-eleusis");
	json_kstr(out, "description",
	    "the cookie of a browser's log-in; a request that changes "
	    "something also needs its CSRF token in X-CSRF-Token");
	json_obj_end(out);
	json_key(out, "apiKey");
	json_obj(out);
	json_kstr(out, "type", "http");
	json_kstr(out, "scheme", "bearer");
	json_kstr(out, "bearerFormat", "elk_");
	json_kstr(out, "description",
	    "an API key, which begins with elk_; one that signs may also sign "
	    "the request (RFC 9421) with its first 20 characters as keyid, "
	    "and then need not be sent");
	json_obj_end(out);
	json_obj_end(out);
}

/* ---- the document ------------------------------------------------------- */

static void
put_info(struct json_out *out)
{
	json_key(out, "info");
	json_obj(out);
	json_kstr(out, "title", "Eleusis");
	json_kstr(out, "summary",
	    "Clinical risk models in production, with a record of who saw "
	    "what");
	json_kstr(out, "description",
	    "Identifiers are UUIDs, times are RFC 3339 UTC, errors are "
	    "RFC 9457 problems. Objects are closed: unknown members are "
	    "refused. HEAD works where GET does, OPTIONS everywhere.");
	json_kstr(out, "version", API_VERSION);
	json_key(out, "license");
	json_obj(out);
	json_kstr(out, "name", "ISC");
	json_kstr(out, "identifier", "ISC");
	json_obj_end(out);
	json_obj_end(out);
}

void
openapi_init(const char *origin)
{
	struct json_out *out;

	if (arena != NULL)
		arena_destroy(&arena);
	arena = arena_new();
	out = json_out_new(arena);

	json_obj(out);
	json_kstr(out, "openapi", "3.1.0");
	put_info(out);
	json_key(out, "servers");
	json_arr(out);
	json_obj(out);
	json_kstr(out, "url", origin);
	json_obj_end(out);
	json_arr_end(out);
	openapi_paths(out);
	json_key(out, "components");
	json_obj(out);
	put_schemas(out);
	put_headers(out);
	put_problem_responses(out);
	put_security_schemes(out);
	json_obj_end(out);
	json_obj_end(out);
	json_finish(out, &document, &document_len);
}

const char *
openapi_document(size_t *len)
{
	*len = document_len;

	return (document);
}
