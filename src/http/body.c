/*
 * A request's body: is there to be one, is it JSON by its own account, is it
 * small enough, does it parse, does it fit the row's schema.
 */
#include <string.h>
#include <strings.h>

#include "http/http_priv.h"

#define JSON_TYPE  "application/json"
#define PATCH_TYPE "application/merge-patch+json"
#define FORM_TYPE  "application/x-www-form-urlencoded"

/* Skips blanks, then one ';'. */
static const char *
next_parameter(const char *s)
{
	s += strspn(s, " \t");
	if (*s != ';')
		return (s);

	return (s + 1 + strspn(s + 1, " \t"));
}

/* Nothing, or charset=utf-8 (RFC 8259 knows no parameter, clients do). */
static bool
parameters_ok(const char *s)
{
	static const char *const forms[] = { "charset=utf-8",
		"charset=\"utf-8\"" };
	size_t n;

	if (*s == '\0')
		return (true);
	s = next_parameter(s);
	for (size_t i = 0; i < NELEM(forms); i++) {
		n = strlen(forms[i]);
		if (strncasecmp(s, forms[i], n) == 0)
			return (s[n + strspn(s + n, " \t")] == '\0');
	}

	return (*s == '\0');
}

static bool
media_type_is(const char *value, const char *type)
{
	size_t n;

	n = strcspn(value, "; \t");

	return (n == strlen(type) && strncasecmp(value, type, n) == 0 &&
		parameters_ok(value + n));
}

static enum res
wrong_form_type(struct ctx *cx)
{
	reply_header(cx, "Accept-Post", FORM_TYPE);

	return (err_fail(&cx->env.err, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
	    "Content-Type must be %s", FORM_TYPE));
}

static enum res
wrong_type(struct ctx *cx)
{
	bool patch;

	if (cx->ep->flags & EP_FORM)
		return (wrong_form_type(cx));
	patch = cx->ep->flags & EP_MERGE_PATCH;
	if (cx->method == METHOD_PATCH)
		reply_header(cx, "Accept-Patch",
		    patch ? PATCH_TYPE ", " JSON_TYPE : JSON_TYPE);
	else if (cx->method == METHOD_POST)
		reply_header(cx, "Accept-Post", JSON_TYPE);
	else
		reply_header(cx, "Accept", JSON_TYPE);

	return (err_fail(&cx->env.err, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
	    "Content-Type must be %s%s", JSON_TYPE,
	    patch ? " or " PATCH_TYPE : ""));
}

static enum res
check_headers(struct ctx *cx)
{
	const char *type, *coding;

	coding = ctx_header(cx, "content-encoding");
	if (coding != NULL && strcasecmp(coding, "identity") != 0) {
		reply_header(cx, "Accept-Encoding", "identity");
		return (err_fail(&cx->env.err, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
		    "the body must come without a Content-Encoding"));
	}
	type = ctx_header(cx, "content-type");
	if (cx->ep->flags & EP_FORM)
		return (type != NULL && media_type_is(type, FORM_TYPE) ?
			    RES_OK :
			    wrong_type(cx));
	if (type != NULL && (media_type_is(type, JSON_TYPE) ||
				((cx->ep->flags & EP_MERGE_PATCH) &&
				    media_type_is(type, PATCH_TYPE))))
		return (RES_OK);

	return (wrong_type(cx));
}

static enum res
parse(struct ctx *cx, const void *data, size_t len, struct jval **v)
{
	if (cx->ep->flags & EP_FORM)
		return (form_read(cx, data, len, v));

	return (json_parse(
	    cx->env.arena, data, len, JSON_DEPTH_MAX, v, &cx->env.err));
}

enum res
ctx_read_body(struct ctx *cx)
{
	struct err *err = &cx->env.err;
	struct jval *v;
	const void *data;
	size_t len;

	data = ctx_body(cx, &len);
	if (cx->ep->body == NULL && len == 0)
		return (RES_OK);
	if (cx->ep->body == NULL)
		return (err_fail(err, PROBLEM_MALFORMED_REQUEST,
		    "this operation takes no body"));
	if (len == 0)
		return (
		    err_fail(err, PROBLEM_MALFORMED_JSON, "the body is empty"));
	if (len > cx->ep->body_max)
		return (err_fail(err, PROBLEM_CONTENT_TOO_LARGE,
		    "the body may have %zu bytes", cx->ep->body_max));
	if (check_headers(cx) != RES_OK)
		return (RES_ERR);
	if (parse(cx, data, len, &v) != RES_OK)
		return (RES_ERR);
	if (schema_check(cx->ep->body, v, cx->ep->flags & EP_MERGE_PATCH,
		PROBLEM_VALIDATION, cx->env.arena, err) != RES_OK)
		return (RES_ERR);
	cx->body = v;

	return (RES_OK);
}
