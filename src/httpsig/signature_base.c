/*
 * The signature base (RFC 9421, 2.5): the text that is signed, made anew from
 * the request that came. A line a component, then the signature's own
 * parameters. Pure. Whatever cannot be told beyond doubt is refused: a
 * field that is not there, bytes outside ASCII, a dictionary that is none.
 */
#include <string.h>
#include <strings.h>

#include "httpsig/httpsig.h"

struct base {
	struct arena *arena;
	const struct message *m;
	const char **why;
};

static enum res
refuse(struct base *b, const struct sig_component *c, const char *what)
{
	*b->why = arena_printf(
	    b->arena, "The covered component %.64s %s.", c->name, what);

	return (RES_ERR);
}

/* RFC 9421, 2.5: neither folded lines nor bytes of obs-text. */
static bool
is_field_content(const char *s)
{
	for (; *s != '\0'; s++)
		if ((*s < 0x20 && *s != '\t') || *s > 0x7e)
			return (false);

	return (true);
}

/* The lines of a field, each as it is or as a byte sequence, with ", "
 * between; NULL: there is none. */
static const char *
field_lines(struct base *b, const char *name, bool bytes)
{
	const struct message *m = b->m;
	struct buf all = { 0 };

	for (unsigned i = 0; i < m->nfields; i++) {
		if (strcasecmp(m->fields[i].name, name) != 0)
			continue;
		if (all.data == NULL)
			buf_init(&all, b->arena, 64);
		else
			buf_puts(&all, ", ");
		if (bytes)
			sfv_write_bytes(&all, m->fields[i].value,
			    strlen(m->fields[i].value));
		else
			buf_puts(&all, m->fields[i].value);
	}

	return (all.data);
}

static enum res
field_member(struct base *b, const struct sig_component *c, const char *text,
    const char **value)
{
	const struct sfv_member *first;
	const struct sfv_value *v;
	struct buf out;

	if (sfv_dictionary(b->arena, text, &first) != RES_OK)
		return (refuse(b, c, "is not a dictionary"));
	if ((v = sfv_get(first, c->arg)) == NULL)
		return (refuse(b, c, "has no member of that key"));
	buf_init(&out, b->arena, 64);
	sfv_write(&out, v);
	*value = out.data;

	return (RES_OK);
}

static enum res
field_value(struct base *b, const struct sig_component *c, const char **value)
{
	*value = field_lines(b, c->name, c->form == COMPONENT_FIELD_BYTES);
	if (*value == NULL)
		return (refuse(b, c, "is not in the request"));
	if (c->form == COMPONENT_FIELD_KEY)
		return (field_member(b, c, *value, value));

	return (RES_OK);
}

static const char *
request_target(struct base *b)
{
	const struct message *m = b->m;

	return (arena_printf(b->arena, "%s%s%s", m->path,
	    m->query != NULL ? "?" : "", m->query != NULL ? m->query : ""));
}

static enum res
query_value(struct base *b, const struct sig_component *c, const char **value)
{
	const char *query = b->m->query != NULL ? b->m->query : "";

	if (c->form == COMPONENT_QUERY) {
		*value = arena_printf(b->arena, "?%s", query);
		return (RES_OK);
	}
	if (query_param(b->arena, query, c->arg, value) != RES_OK)
		return (refuse(b, c, "must name one parameter of the query"));

	return (RES_OK);
}

static enum res
component_value(
    struct base *b, const struct sig_component *c, const char **value)
{
	const struct message *m = b->m;

	switch (c->form) {
	case COMPONENT_METHOD:
		*value = m->method;
		return (RES_OK);
	case COMPONENT_TARGET_URI:
		*value = arena_printf(b->arena, "%s://%s%s", m->scheme,
		    m->authority, request_target(b));
		return (RES_OK);
	case COMPONENT_AUTHORITY:
		*value = m->authority;
		return (RES_OK);
	case COMPONENT_SCHEME:
		*value = m->scheme;
		return (RES_OK);
	case COMPONENT_REQUEST_TARGET:
		*value = request_target(b);
		return (RES_OK);
	case COMPONENT_PATH:
		*value = m->path;
		return (RES_OK);
	case COMPONENT_QUERY:
	case COMPONENT_QUERY_PARAM:
		return (query_value(b, c, value));
	case COMPONENT_FIELD:
	case COMPONENT_FIELD_KEY:
	case COMPONENT_FIELD_BYTES:
		return (field_value(b, c, value));
	case COMPONENT_UNSET:
		break;
	}

	return (refuse(b, c, "is not known"));
}

enum res
signature_base(struct arena *arena, const struct message *m,
    const struct sig_component *components, unsigned n, const char *params,
    struct buf *out, const char **why)
{
	struct base b = { arena, m, why };
	const char *value;

	buf_init(out, arena, 512);
	for (unsigned i = 0; i < n; i++) {
		if (component_value(&b, &components[i], &value) != RES_OK)
			return (RES_ERR);
		if (!is_field_content(value))
			return (refuse(&b, &components[i],
			    "has bytes outside printable ASCII"));
		buf_printf(out, "%s: %s\n", components[i].identifier, value);
	}
	buf_printf(out, "\"@signature-params\": %s", params);

	return (RES_OK);
}
