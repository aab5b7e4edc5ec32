/*
 * One covered component of a signature (RFC 9421, 2): a field of the header
 * or a derived component, and the parameter that says how it is taken. What
 * is not known here is refused by name, never passed over.
 */
#include <string.h>

#include "httpsig/httpsig.h"

static const struct {
	const char *name;
	enum component_form form;
} derived[] = {
	{ "@method", COMPONENT_METHOD },
	{ "@target-uri", COMPONENT_TARGET_URI },
	{ "@authority", COMPONENT_AUTHORITY },
	{ "@scheme", COMPONENT_SCHEME },
	{ "@request-target", COMPONENT_REQUEST_TARGET },
	{ "@path", COMPONENT_PATH },
	{ "@query", COMPONENT_QUERY },
	{ "@query-param", COMPONENT_QUERY_PARAM },
};

/* Of the parameters, @query-param must have this one and fields may have one
 * of the others. */
static const struct {
	const char *key;
	enum sfv_type type;
	enum component_form on, form;
} parameters[] = {
	{ "name", SFV_STRING, COMPONENT_QUERY_PARAM, COMPONENT_QUERY_PARAM },
	{ "key", SFV_STRING, COMPONENT_FIELD, COMPONENT_FIELD_KEY },
	{ "bs", SFV_BOOLEAN, COMPONENT_FIELD, COMPONENT_FIELD_BYTES },
};

/* A field name in lower case: the only form that may be signed. */
static bool
is_field_name(const char *s)
{
	static const char set[] =
	    "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";

	return (*s != '\0' && s[strspn(s, set)] == '\0');
}

static enum component_form
form_of(const char *name)
{
	for (size_t i = 0; i < NELEM(derived); i++)
		if (strcmp(derived[i].name, name) == 0)
			return (derived[i].form);

	return (is_field_name(name) ? COMPONENT_FIELD : COMPONENT_UNSET);
}

static bool
parameter_read(const struct sfv_member *m, struct sig_component *c)
{
	for (size_t i = 0; i < NELEM(parameters); i++) {
		if (strcmp(parameters[i].key, m->key) != 0 ||
		    parameters[i].on != c->form ||
		    parameters[i].type != m->value.type)
			continue;
		if (m->value.type == SFV_BOOLEAN && m->value.i == 0)
			return (false);
		c->form = parameters[i].form;
		c->arg = m->value.s;
		return (true);
	}

	return (false);
}

/* None, or just one that is known. */
static enum res
parameters_read(struct arena *arena, const struct sfv_member *m,
    struct sig_component *c, const char **why)
{
	if (m != NULL && (m->next != NULL || !parameter_read(m, c))) {
		*why = arena_printf(arena,
		    "The component %.64s has parameters that are not "
		    "supported here; known are \"bs\" and \"key\" of fields "
		    "and \"name\" of @query-param, one at a time.",
		    c->name);
		return (RES_ERR);
	}
	if (c->form == COMPONENT_QUERY_PARAM && c->arg == NULL) {
		*why = "The component @query-param lacks its \"name\".";
		return (RES_ERR);
	}

	return (RES_OK);
}

enum res
component_read(struct arena *arena, const struct sfv_value *item,
    struct sig_component *c, const char **why)
{
	struct buf b;

	memset(c, 0, sizeof(*c));
	if (item->type != SFV_STRING) {
		*why = "A covered component is not a string.";
		return (RES_ERR);
	}
	c->name = item->s;
	if ((c->form = form_of(c->name)) == COMPONENT_UNSET) {
		*why = "A covered component is neither a field's name in lower "
		       "case nor a derived component of requests.";
		return (RES_ERR);
	}
	if (parameters_read(arena, item->params, c, why) != RES_OK)
		return (RES_ERR);
	buf_init(&b, arena, 32);
	sfv_write(&b, item);
	c->identifier = b.data;

	return (RES_OK);
}
