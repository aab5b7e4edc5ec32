/*
 * Schema rows as JSON Schema (2020-12, as OpenAPI 3.1 wants it): the same
 * rules that schema.c checks, said in the other language. Each schema is one
 * entry of components.schemas; one that a merge patch relaxes has a second
 * entry, without its required members.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_priv.h"

static bool
always_wanted(const struct field *f)
{
	return ((f->flags & F_REQUIRED) && !(f->flags & F_REPLY_ONLY));
}

/* Does it matter to this schema that it is used as a merge patch? */
static bool
relaxed_by_patch(const struct schema *s)
{
	const struct field *f;

	for (f = s->fields; f < s->fields + s->nfields; f++)
		if (always_wanted(f) ||
		    (f->type == FIELD_OBJECT && f->sub != NULL &&
			relaxed_by_patch(f->sub)))
			return (true);

	return (false);
}

/* ---- the list of components --------------------------------------------- */

static bool
listed(const struct components *all, const struct schema *s, bool patch)
{
	for (unsigned i = 0; i < all->n; i++) {
		if (all->list[i].patch != patch)
			continue;
		if (all->list[i].schema == s)
			return (true);
		/* Two schemas of one name would overwrite each other. */
		assert(strcmp(all->list[i].schema->name, s->name) != 0);
	}

	return (false);
}

static void
push(struct components *all, const struct schema *s, bool patch)
{
	if (all->n == all->cap) {
		all->cap = all->cap > 0 ? all->cap * 2 : 32;
		all->list = realloc(all->list, all->cap * sizeof(*all->list));
		if (all->list == NULL)
			abort();
	}
	all->list[all->n].schema = s;
	all->list[all->n].patch = patch;
	all->n++;
}

void
components_add(struct components *all, const struct schema *s, bool patch)
{
	const struct field *f;

	if (s == NULL)
		return;
	patch = patch && relaxed_by_patch(s);
	if (listed(all, s, patch))
		return;
	push(all, s, patch);
	for (f = s->fields; f < s->fields + s->nfields; f++)
		components_add(all, f->sub, patch && f->type != FIELD_ARRAY);
}

void
components_done(struct components *all)
{
	free(all->list);
	memset(all, 0, sizeof(*all));
}

/* ---- one field ---------------------------------------------------------- */

void
openapi_ref(struct json_out *out, const struct schema *s, bool patch)
{
	char ref[256];

	patch = patch && relaxed_by_patch(s);
	snprintf(ref, sizeof(ref), "#/components/schemas/%s%s", s->name,
	    patch ? "MergePatch" : "");
	json_obj(out);
	json_kstr(out, "$ref", ref);
	json_obj_end(out);
}

static void
put_name(struct json_out *out, const char *name, bool nullable)
{
	json_key(out, "type");
	if (!nullable) {
		json_str(out, name);
		return;
	}
	json_arr(out);
	json_str(out, name);
	json_str(out, "null");
	json_arr_end(out);
}

/* whole: JSON Schema wants a whole number (lengths; and integers look it). */
static void
put_limits(struct json_out *out, const struct field *f, const char *low,
    const char *high, bool whole)
{
	const char *keys[] = { low, high };
	double limits[] = { f->min, f->max };

	if (!field_limited(f))
		return;
	for (int i = 0; i < 2; i++) {
		if (!isfinite(limits[i]))
			continue;
		if (whole)
			json_kint(out, keys[i], (int64_t)limits[i]);
		else
			json_knum(out, keys[i], limits[i]);
	}
}

static void
put_choices(struct json_out *out, const struct field *f)
{
	const char *s;
	size_t n;

	json_key(out, "enum");
	json_arr(out);
	for (s = f->choices;; s += n + 1) {
		n = strcspn(s, "|");
		json_strn(out, s, n);
		if (s[n] == '\0')
			break;
	}
	if (f->flags & F_NULLABLE)
		json_null(out);
	json_arr_end(out);
}

/* Limits of one type of JSON say nothing about the others. */
static void
put_map_value(struct json_out *out, const struct field *f)
{
	json_obj(out);
	if (f->type == FIELD_NUMBER_MAP) {
		put_name(out, "number", true);
	} else {
		json_key(out, "type");
		json_arr(out);
		json_str(out, "number");
		json_str(out, "boolean");
		json_str(out, "string");
		json_str(out, "null");
		json_arr_end(out);
		json_kint(out, "maxLength", 64);
	}
	put_limits(out, f, "minimum", "maximum", false);
	json_obj_end(out);
}

static void
put_map(struct json_out *out, const struct field *f)
{
	json_kint(out, "maxProperties", 256);
	json_key(out, "propertyNames");
	json_obj(out);
	json_kint(out, "maxLength", 64);
	json_obj_end(out);
	json_key(out, "additionalProperties");
	put_map_value(out, f);
}

static void
put_items(struct json_out *out, const struct field *f)
{
	json_key(out, "items");
	if (f->sub != NULL) {
		openapi_ref(out, f->sub, false);
		return;
	}
	json_obj(out);
	put_name(out, "string", false);
	json_obj_end(out);
}

/* An object of its own schema is a reference; null is then an alternative. */
static void
put_object(struct json_out *out, const struct field *f, bool patch)
{
	json_key(out, "anyOf");
	json_arr(out);
	openapi_ref(out, f->sub, patch);
	if (f->flags & F_NULLABLE) {
		json_obj(out);
		put_name(out, "null", false);
		json_obj_end(out);
	}
	json_arr_end(out);
}

void
openapi_type(struct json_out *out, const struct field *f, bool patch)
{
	static const struct {
		const char *type, *format;
	} names[] = {
		[FIELD_STRING] = { "string", NULL },
		[FIELD_INTEGER] = { "integer", "int64" },
		[FIELD_NUMBER] = { "number", "double" },
		[FIELD_BOOLEAN] = { "boolean", NULL },
		[FIELD_UUID] = { "string", "uuid" },
		[FIELD_DATE] = { "string", "date" },
		[FIELD_TIME] = { "string", "date-time" },
		[FIELD_ENUM] = { "string", NULL },
		[FIELD_OBJECT] = { "object", NULL },
		[FIELD_NUMBER_MAP] = { "object", NULL },
		[FIELD_VALUE_MAP] = { "object", NULL },
		[FIELD_ARRAY] = { "array", NULL },
	};

	if (f->type == FIELD_OBJECT && f->sub != NULL) {
		put_object(out, f, patch);
		return;
	}
	put_name(out, names[f->type].type, f->flags & F_NULLABLE);
	if (names[f->type].format != NULL)
		json_kstr(out, "format", names[f->type].format);
	if (f->type == FIELD_STRING)
		put_limits(out, f, "minLength", "maxLength", true);
	else if (f->type == FIELD_INTEGER)
		put_limits(out, f, "minimum", "maximum", true);
	else if (f->type == FIELD_NUMBER)
		put_limits(out, f, "minimum", "maximum", false);
	else if (f->type == FIELD_ENUM)
		put_choices(out, f);
	else if (f->type == FIELD_NUMBER_MAP || f->type == FIELD_VALUE_MAP)
		put_map(out, f);
	else if (f->type == FIELD_ARRAY) {
		put_limits(out, f, "minItems", "maxItems", true);
		put_items(out, f);
	}
}

/* ---- one component ------------------------------------------------------ */

static void
put_required(struct json_out *out, const struct schema *s)
{
	const struct field *f;

	json_key(out, "required");
	json_arr(out);
	for (f = s->fields; f < s->fields + s->nfields; f++)
		if (f->flags & F_REQUIRED)
			json_str(out, f->name);
	json_arr_end(out);
}

static void
put_property(struct json_out *out, const struct field *f, bool patch)
{
	json_key(out, f->name);
	json_obj(out);
	openapi_type(out, f, patch);
	json_kstr(out, "description", f->text);
	if (f->flags & F_REPLY_ONLY)
		json_kbool(out, "readOnly", true);
	json_obj_end(out);
}

void
openapi_component(struct json_out *out, const struct component *c)
{
	const struct schema *s = c->schema;
	char name[200];

	snprintf(
	    name, sizeof(name), "%s%s", s->name, c->patch ? "MergePatch" : "");
	json_key(out, name);
	json_obj(out);
	put_name(out, "object", false);
	json_kstr(out, "description", s->text);
	json_key(out, "properties");
	json_obj(out);
	for (unsigned i = 0; i < s->nfields; i++)
		put_property(out, &s->fields[i], c->patch);
	json_obj_end(out);
	if (!c->patch)
		put_required(out, s);
	json_kbool(out, "additionalProperties", false);
	json_obj_end(out);
}
