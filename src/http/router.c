/*
 * From a request's path and method to its row of the endpoint table. Paths
 * come from the gate, decoded once; they are compared as they are: an empty
 * segment matches nothing.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_priv.h"

/* Read to its end, so that the handler can say that it takes no body. */
#define BODY_UNWANTED 4096
#define FILE_NAME_MAX 100

static struct route_row *rows;
static unsigned nrows, nlabels;
static const struct endpoint *table;

const char *
method_name(enum http_method method)
{
	static const char *const names[METHOD_MAX] = { "", "GET", "POST", "PUT",
		"PATCH", "DELETE", "OPTIONS" };

	return (method < METHOD_MAX ? names[method] : "");
}

static unsigned
label_rows(struct route_row *fresh, unsigned n)
{
	unsigned i, k, labels = 0;

	for (i = 0; i < n; i++) {
		for (k = 0; k < i; k++)
			if (strcmp(fresh[k].ep->path, fresh[i].ep->path) == 0)
				break;
		fresh[i].label = k < i ? fresh[k].label : labels++;
	}

	return (labels);
}

enum res
router_init(const struct endpoint *eps, unsigned n, char *msg, size_t msglen)
{
	struct route_row *fresh;

	if ((fresh = calloc(n > 0 ? n : 1, sizeof(*fresh))) == NULL)
		abort();
	if (router_compile(fresh, eps, n, msg, msglen) != RES_OK) {
		router_discard(fresh, n);
		return (RES_ERR);
	}
	router_discard(rows, nrows);
	rows = fresh;
	nrows = n;
	nlabels = label_rows(rows, n);
	table = eps;

	return (RES_OK);
}

unsigned
router_count(void)
{
	return (nrows);
}

const struct endpoint *
router_at(unsigned i)
{
	return (&table[i]);
}

unsigned
router_label(const struct endpoint *ep)
{
	return (rows[ep - table].label);
}

unsigned
router_labels(void)
{
	return (nlabels);
}

const char *
router_label_path(unsigned label)
{
	for (unsigned i = 0; i < nrows; i++)
		if (rows[i].label == label)
			return (table[i].path);

	return (NULL);
}

/* Letters, digits, '-', '_' and '.', not in front: no way up or around. */
static bool
is_file_name(const struct segment *got)
{
	static const char odd[] = "-_.";

	for (size_t i = 0; i < got->len; i++)
		if (!isalnum((unsigned char)got->text[i]) &&
		    (strchr(odd, got->text[i]) == NULL || i == 0))
			return (false);

	return (got->len <= FILE_NAME_MAX);
}

static bool
segment_matches(
    const struct segment *s, const struct segment *got, struct uuid *id)
{
	char text[UUID_STRLEN + 1];

	if (!s->param)
		return (s->len == got->len &&
			memcmp(s->text, got->text, s->len) == 0);
	if (s->file)
		return (is_file_name(got));
	if (got->len != UUID_STRLEN)
		return (false);
	memcpy(text, got->text, UUID_STRLEN);
	text[UUID_STRLEN] = '\0';

	return (uuid_parse(text, id) == RES_OK);
}

static bool
path_matches(
    const struct route_row *row, const struct segment *segs, unsigned nsegs)
{
	struct uuid id;

	if (row->nsegs != nsegs)
		return (false);
	for (unsigned i = 0; i < nsegs; i++)
		if (!segment_matches(&row->segs[i], &segs[i], &id))
			return (false);

	return (true);
}

/* Fills cx->params on the way; they count only when the row is taken. */
static bool
row_matches(struct ctx *cx, const struct route_row *row,
    const struct segment *segs, unsigned nsegs)
{
	struct uuid id;

	if (row->nsegs != nsegs)
		return (false);
	cx->nparams = 0;
	for (unsigned i = 0; i < nsegs; i++) {
		if (!segment_matches(&row->segs[i], &segs[i], &id))
			return (false);
		if (!row->segs[i].param || row->segs[i].file)
			continue;
		cx->params[cx->nparams].name = row->segs[i].text;
		cx->params[cx->nparams].id = id;
		cx->nparams++;
	}

	return (true);
}

static void
allow_header(struct ctx *cx, unsigned methods)
{
	struct buf b;

	buf_init(&b, cx->env.arena, 64);
	for (enum http_method m = METHOD_GET; m < METHOD_OPTIONS; m++) {
		if (!(methods & (1u << m)))
			continue;
		buf_printf(&b, "%s, ", method_name(m));
		if (m == METHOD_GET)
			buf_puts(&b, "HEAD, ");
	}
	buf_puts(&b, "OPTIONS");
	reply_header(cx, "Allow", b.data);
	cors_preflight(cx, b.data);
}

static unsigned
all_methods(void)
{
	unsigned methods = 0;

	for (unsigned i = 0; i < nrows; i++)
		methods |= 1u << rows[i].ep->method;

	return (methods);
}

/* The path is known, with other methods than this one. */
static enum res
other_method(struct ctx *cx, unsigned methods)
{
	cx->nparams = 0;
	allow_header(cx, methods);
	if (cx->method == METHOD_OPTIONS) {
		reply_empty(cx, 204);
		return (RES_ERR);
	}

	return (err_fail(&cx->env.err, PROBLEM_METHOD_NOT_ALLOWED,
	    "the Allow header names the methods there are"));
}

enum res
router_match(struct ctx *cx, const char *resource)
{
	struct segment segs[SEGMENTS_MAX];
	const struct route_row *row;
	unsigned nsegs, methods;

	/* All of the server (RFC 9110, 9.3.7). */
	if (strcmp(cx->path, "*") == 0 && cx->method == METHOD_OPTIONS)
		return (other_method(cx, all_methods()));

	methods = 0;
	if (path_split(cx->path, segs, &nsegs) != RES_OK)
		return (err_fail(&cx->env.err, PROBLEM_NOT_FOUND, "%s", ""));
	for (row = rows; row < rows + nrows; row++) {
		if (resource != NULL &&
		    strcmp(row->ep->resource, resource) != 0)
			continue;
		if (!row_matches(cx, row, segs, nsegs))
			continue;
		if (row->ep->method == cx->method) {
			cx->ep = row->ep;
			return (accept_check(cx));
		}
		methods |= 1u << row->ep->method;
	}
	if (methods != 0)
		return (other_method(cx, methods));
	cx->nparams = 0;

	return (err_fail(&cx->env.err, PROBLEM_NOT_FOUND, "%s", ""));
}

int64_t
router_body_limit(const char *method, const char *path)
{
	struct segment segs[SEGMENTS_MAX];
	const struct route_row *row;
	unsigned nsegs;

	if (path_split(path, segs, &nsegs) != RES_OK)
		return (-1);
	for (row = rows; row < rows + nrows; row++) {
		if (strcmp(method_name(row->ep->method), method) != 0 ||
		    !path_matches(row, segs, nsegs))
			continue;
		return (row->ep->body != NULL ? (int64_t)row->ep->body_max :
						BODY_UNWANTED);
	}

	return (-1);
}
