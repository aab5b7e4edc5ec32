/*
 * The endpoint table, checked and compiled at start-up. Deny by default: a
 * row that leaves something unsaid, contradicts itself or could be confused
 * with another stops the server, with a message that names the row.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_priv.h"

enum res
path_split(const char *path, struct segment *segs, unsigned *n)
{
	size_t len;

	*n = 0;
	if (path[0] != '/')
		return (RES_ERR);
	if (path[1] == '\0')
		return (RES_OK);

	while (*path == '/') {
		path++;
		len = strcspn(path, "/");
		if (len == 0 || *n == SEGMENTS_MAX)
			return (RES_ERR);
		segs[*n].text = path;
		segs[*n].len = len;
		segs[*n].param = segs[*n].file = false;
		(*n)++;
		path += len;
	}

	return (RES_OK);
}

static bool
is_empty(const char *s)
{
	return (s == NULL || s[0] == '\0');
}

/* ---- schemas ------------------------------------------------------------ */

static const char *schema_mistake(const struct schema *, unsigned depth);

static const char *
field_mistake(const struct field *f, unsigned depth)
{
	if (is_empty(f->name) || f->type == FIELD_UNSET)
		return ("a schema's field has no name or no type");
	if (is_empty(f->text))
		return ("a schema's field has no text");
	if (f->min > f->max)
		return ("a schema's field has min above max");
	if ((f->type == FIELD_ENUM) == is_empty(f->choices))
		return ("choices belong to enum fields, and to all of them");
	if (f->sub == NULL)
		return (NULL);
	if (f->type != FIELD_OBJECT && f->type != FIELD_ARRAY)
		return ("a field with a sub-schema is no object or array");
	return (schema_mistake(f->sub, depth + 1));
}

static const char *
schema_mistake(const struct schema *s, unsigned depth)
{
	const char *why;

	if (s == NULL)
		return (NULL);
	if (depth > JSON_DEPTH_MAX)
		return ("a schema is nested too deep");
	if (is_empty(s->name) || is_empty(s->text))
		return ("a schema has no name or no text");
	if (s->nfields > SCHEMA_FIELDS_MAX)
		return ("a schema has too many fields");
	for (unsigned i = 0; i < s->nfields; i++) {
		if ((why = field_mistake(&s->fields[i], depth)) != NULL)
			return (why);
		for (unsigned k = 0; k < i; k++)
			if (strcmp(s->fields[i].name, s->fields[k].name) == 0)
				return ("a schema has a field twice");
	}

	return (NULL);
}

/* ---- one row ------------------------------------------------------------ */

static const char *
unset_mistake(const struct endpoint *ep)
{
	if (ep->method <= METHOD_UNSET || ep->method >= METHOD_OPTIONS)
		return ("method is not set");
	if (is_empty(ep->path))
		return ("path is not set");
	if (is_empty(ep->resource))
		return ("resource is not set");
	if (is_empty(ep->name))
		return ("name is not set");
	if (ep->handler == NULL)
		return ("handler is not set");
	if (ep->auth == AUTH_UNSET)
		return ("auth is not set (public must be said)");
	if (is_empty(ep->scope))
		return ("scope is not set (\"-\" when public)");
	if (ep->rate <= RATE_UNSET || ep->rate >= RATE_CLASS_MAX)
		return ("rate is not set");
	if (is_empty(ep->audit))
		return ("audit is not set (\"-\" when not audited)");
	if (is_empty(ep->text))
		return ("text is not set");

	return (NULL);
}

static const char *
consistency_mistake(const struct endpoint *ep)
{
	bool no_scope, takes_body;

	no_scope = strcmp(ep->scope, "-") == 0;
	if (ep->auth == AUTH_PUBLIC && !no_scope)
		return ("a public row cannot have a scope");
	if (ep->auth != AUTH_PUBLIC && no_scope)
		return ("only a public row may go without a scope");
	if (ep->rate != RATE_NONE && ep->cost == 0)
		return ("cost is not set");
	if ((ep->status < 200 || ep->status > 299) && ep->status != 302)
		return ("status is not one of success");
	if (ep->status == 204 && ep->reply != NULL)
		return ("a 204 has no reply");
	takes_body = ep->method == METHOD_POST || ep->method == METHOD_PUT ||
		     ep->method == METHOD_PATCH;
	if (ep->body != NULL && !takes_body)
		return ("this method takes no body");
	if ((ep->body != NULL) != (ep->body_max > 0))
		return ("body and body_max come together");
	if ((ep->flags & EP_MERGE_PATCH) &&
	    (ep->method != METHOD_PATCH || ep->body == NULL))
		return ("a merge patch is a PATCH with a body");
	if ((ep->flags & EP_STEP_UP) && ep->auth != AUTH_SESSION)
		return ("only a session can prove itself anew (EP_STEP_UP)");
	if ((ep->flags & EP_FORM) && ep->body == NULL)
		return ("a form has a body");

	return (NULL);
}

static const char *
query_mistake(const struct schema *s)
{
	if (s == NULL)
		return (NULL);
	for (unsigned i = 0; i < s->nfields; i++)
		if (s->fields[i].type >= FIELD_OBJECT)
			return ("a query parameter is no object or array");

	return (NULL);
}

static const char *
row_mistake(const struct endpoint *ep)
{
	const char *why;

	if ((why = unset_mistake(ep)) != NULL ||
	    (why = consistency_mistake(ep)) != NULL ||
	    (why = schema_mistake(ep->body, 0)) != NULL ||
	    (why = schema_mistake(ep->query, 0)) != NULL ||
	    (why = query_mistake(ep->query)) != NULL)
		return (why);

	return (schema_mistake(ep->reply, 0));
}

/* ---- templates ---------------------------------------------------------- */

static bool
literal_ok(const struct segment *s)
{
	char c;

	if (s->text[0] == '.' && (s->len == 1 || s->text[1] == '.'))
		return (false);
	for (size_t i = 0; i < s->len; i++) {
		c = s->text[i];
		if (!isalnum((unsigned char)c) && strchr("-._~", c) == NULL)
			return (false);
	}

	return (true);
}

bool
param_is_file(const char *name, size_t len)
{
	return (len == 4 && memcmp(name, "file", 4) == 0);
}

/* "{name}" becomes a parameter called name; names is ours to cut up. */
static const char *
compile_segment(struct route_row *row, struct segment *s, unsigned *nparams)
{
	char *text;

	text = row->names + (s->text - row->names);
	text[s->len] = '\0';
	if (text[0] != '{')
		return (literal_ok(s) ? NULL : "a segment has odd characters");
	if (s->len < 3 || text[s->len - 1] != '}')
		return ("a parameter is not of the form {name}");

	text[s->len - 1] = '\0';
	s->text++;
	s->len -= 2;
	s->param = true;
	s->file = param_is_file(s->text, s->len);
	for (unsigned i = 0; &row->segs[i] < s; i++)
		if (row->segs[i].param &&
		    strcmp(row->segs[i].text, s->text) == 0)
			return ("a parameter occurs twice");
	if (++*nparams > PATH_PARAMS_MAX)
		return ("there are too many parameters");

	return (NULL);
}

static const char *
compile_row(struct route_row *row, const struct endpoint *ep)
{
	const char *why;
	unsigned nparams;

	row->ep = ep;
	if ((row->names = strdup(ep->path)) == NULL)
		return ("out of memory");
	if (path_split(row->names, row->segs, &row->nsegs) != RES_OK)
		return ("path is not of the form /a/{b}");
	nparams = 0;
	for (unsigned i = 0; i < row->nsegs; i++) {
		why = compile_segment(row, &row->segs[i], &nparams);
		if (why != NULL)
			return (why);
	}

	return (NULL);
}

/* A parameter matches UUIDs only, so it collides with a literal only when
 * that is one; a file may have any name. */
static bool
segments_collide(const struct segment *a, const struct segment *b)
{
	struct uuid id;

	if ((a->param && b->param) || a->file || b->file)
		return (true);
	if (a->param)
		return (uuid_parse(b->text, &id) == RES_OK);
	if (b->param)
		return (uuid_parse(a->text, &id) == RES_OK);

	return (strcmp(a->text, b->text) == 0);
}

static bool
paths_collide(const struct route_row *a, const struct route_row *b)
{
	if (a->nsegs != b->nsegs)
		return (false);
	for (unsigned i = 0; i < a->nsegs; i++)
		if (!segments_collide(&a->segs[i], &b->segs[i]))
			return (false);

	return (true);
}

static const char *
pair_mistake(const struct route_row *a, const struct route_row *b)
{
	if (strcmp(a->ep->name, b->ep->name) == 0)
		return ("another row has the same name");
	if (!paths_collide(a, b))
		return (NULL);
	if (a->ep->method == b->ep->method)
		return ("another row matches the same paths");
	/* OpenAPI knows such templates as one path item. */
	if (strcmp(a->ep->path, b->ep->path) != 0)
		return ("the same path is written otherwise in another row");
	if (strcmp(a->ep->resource, b->ep->resource) != 0)
		return ("another row has this path in another resource");

	return (NULL);
}

static enum res
refuse(const struct endpoint *ep, unsigned index, const char *why, char *msg,
    size_t msglen)
{
	snprintf(msg, msglen, "endpoint %u, %s %s (%s): %s", index + 1,
	    method_name(ep->method), ep->path != NULL ? ep->path : "?",
	    ep->name != NULL ? ep->name : "?", why);
	return (RES_ERR);
}

enum res
router_compile(struct route_row *rows, const struct endpoint *table, unsigned n,
    char *msg, size_t msglen)
{
	const char *why;

	for (unsigned i = 0; i < n; i++) {
		if ((why = row_mistake(&table[i])) != NULL ||
		    (why = compile_row(&rows[i], &table[i])) != NULL)
			return (refuse(&table[i], i, why, msg, msglen));
		for (unsigned k = 0; k < i; k++) {
			why = pair_mistake(&rows[i], &rows[k]);
			if (why != NULL)
				return (refuse(&table[i], i, why, msg, msglen));
		}
	}

	return (RES_OK);
}

void
router_discard(struct route_row *rows, unsigned n)
{
	for (unsigned i = 0; rows != NULL && i < n; i++)
		free(rows[i].names);
	free(rows);
}
