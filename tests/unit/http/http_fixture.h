/*
 * A request as Kore would hand it over, built by hand, and a context on top
 * of it: what the unit tests of http/ start from.
 */
#ifndef HTTP_FIXTURE_H
#define HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <kore/kore.h>
#include <kore/http.h>

#include "http/http_priv.h"

struct fixture {
	struct http_request	req;
	struct kore_buf		body;
	char			host[32];
	struct ctx		cx;
};

static inline enum res
any_handler(struct ctx *cx UNUSED)
{
	return (RES_OK);
}

static inline void
fixture_start(struct fixture *fx, enum http_method method, const char *path)
{
	memset(fx, 0, sizeof(*fx));
	TAILQ_INIT(&fx->req.req_headers);
	TAILQ_INIT(&fx->req.resp_headers);
	strcpy(fx->host, "localhost:8443");
	fx->req.host = fx->host;
	fx->cx.req = &fx->req;
	fx->cx.env.arena = arena_new();
	fx->cx.env.deadline = DEADLINE_NONE;
	fx->cx.method = method;
	fx->cx.path = path;
	uuid_v7(&fx->cx.request_id);
}

static inline void
fixture_end(struct fixture *fx)
{
	arena_destroy(&fx->cx.env.arena);
}

static inline void
fixture_header(struct fixture *fx, const char *name, const char *value)
{
	struct http_header *h;

	h = arena_alloc(fx->cx.env.arena, sizeof(*h));
	h->header = arena_strdup(fx->cx.env.arena, name);
	h->value = arena_strdup(fx->cx.env.arena, value);
	TAILQ_INSERT_TAIL(&fx->req.req_headers, h, list);
}

static inline void
fixture_body(struct fixture *fx, const char *text)
{
	fx->body.data = arena_memdup(fx->cx.env.arena, text, strlen(text) + 1);
	fx->body.length = strlen(text);
	fx->req.http_body = &fx->body;
	fx->req.http_body_length = strlen(text);
}

/* A header of the reply, or NULL. */
static inline const char *
reply_value(const struct ctx *cx, const char *name)
{
	const struct reply_header *h;

	for (h = cx->headers; h != NULL; h = h->next)
		if (strcasecmp(h->name, name) == 0)
			return (h->value);

	return (NULL);
}

/* The code of the mistake at a pointer, or NULL. */
static inline const char *
code_at(const struct err *err, const char *pointer)
{
	const struct err_field *f;

	for (f = err->fields; f != NULL; f = f->next)
		if (strcmp(f->pointer, pointer) == 0)
			return (f->code);

	return (NULL);
}

/* By pointer: asserts what is wrong there. */
#define assert_mistake(err, pointer, code) do {				\
	const char *code_ = code_at(err, pointer);			\
	assert_non_null(code_);						\
	assert_string_equal(code_, code);				\
} while (0)

static inline struct jval *
parse_json(struct arena *arena, const char *text)
{
	struct err err;
	struct jval *v;

	err_clear(&err);
	if (json_parse(arena, text, strlen(text), JSON_DEPTH_MAX, &v, &err) !=
	    RES_OK)
		fail_msg("not JSON: %s in %s", err.detail, text);

	return (v);
}

#endif
