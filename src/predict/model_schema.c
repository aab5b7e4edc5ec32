/*
 * schema.json of a model: who it is, what it predicts, and its inputs in
 * model order. Parsed strictly: every member is known, has its type and is
 * there, so that a slip of the pen stops the start and not a prediction.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "predict/predict_priv.h"

#define SCHEMA_DEPTH  6
#define FLOAT_INT_MAX 16777216.0 /* beyond, float32 skips integers */

static const char *const type_names[] = {
	[FEATURE_NUMBER] = "number",
	[FEATURE_INTEGER] = "integer",
	[FEATURE_BOOLEAN] = "boolean",
	[FEATURE_CATEGORY] = "category",
};
static const char *const source_names[] = {
	[SOURCE_PATIENT_AGE] = "patient.age",
	[SOURCE_PATIENT_SEX] = "patient.sex",
	[SOURCE_OBSERVATION] = "observation",
};

struct member {
	const char *name;
	enum jtype type;
	bool optional;
};
static const struct member model_members[] = {
	{ "name", J_STR, false },
	{ "version", J_STR, false },
	{ "title", J_STR, false },
	{ "target", J_STR, false },
	{ "horizon", J_STR, false },
	{ "features", J_ARR, false },
};
static const struct member feature_members[] = {
	{ "name", J_STR, false },
	{ "type", J_STR, false },
	{ "unit", J_STR, false },
	{ "minimum", J_NUM, false },
	{ "maximum", J_NUM, false },
	{ "nullable", J_BOOL, false },
	{ "source", J_STR, false },
	{ "description", J_STR, false },
	{ "code", J_STR, true },
	{ "categories", J_OBJ, true },
};

bool
model_name_valid(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len > MODEL_NAME_MAX)
		return (false);
	for (size_t i = 0; i < len; i++) {
		bool word = (s[i] >= 'a' && s[i] <= 'z') ||
			    (s[i] >= '0' && s[i] <= '9');

		if (word)
			continue;
		if (s[i] != '-' || i == 0 || i == len - 1 || s[i - 1] == '-')
			return (false);
	}
	return (true);
}

bool
semver_parse(const char *s, unsigned out[3])
{
	char canonical[32];

	for (unsigned k = 0; k < 3; k++) {
		unsigned digits = 0;

		for (out[k] = 0; *s >= '0' && *s <= '9'; s++) {
			if (++digits > 6)
				return (false);
			out[k] = out[k] * 10 + (unsigned)(*s - '0');
		}
		snprintf(canonical, sizeof(canonical), "%u", out[k]);
		if (strlen(canonical) != digits)
			return (false); /* none, or leading zeros */
		if (*s++ != (k < 2 ? '.' : '\0'))
			return (false);
	}
	return (true);
}

static enum res
fail(char *msg, size_t msglen, const char *where, const char *what,
    const char *why)
{
	snprintf(
	    msg, msglen, "%s%s%s %s", where, where[0] ? ": " : "", what, why);
	return (RES_ERR);
}

static bool
type_fits(const struct jval *v, enum jtype want)
{
	if (v->type == J_STR && strlen(v->s) != v->slen)
		return (false);
	return (v->type == want || (want == J_NUM && v->type == J_INT));
}

/* All members are known, of their type, and complete. */
static enum res
check_members(const struct jval *obj, const struct member *members, size_t n,
    const char *where, char *msg, size_t msglen)
{
	const struct jval *v;

	JSON_FOREACH (v, obj) {
		size_t k = 0;

		while (k < n && strcmp(members[k].name, v->key) != 0)
			k++;
		if (k == n)
			return (fail(msg, msglen, where, v->key,
			    "is not a known member"));
		if (!type_fits(v, members[k].type))
			return (fail(
			    msg, msglen, where, v->key, "has the wrong type"));
	}
	for (size_t k = 0; k < n; k++) {
		if (!members[k].optional &&
		    json_get(obj, members[k].name) == NULL)
			return (fail(
			    msg, msglen, where, members[k].name, "is missing"));
	}
	return (RES_OK);
}

static int
name_index(const char *const *names, size_t n, const char *s)
{
	for (size_t k = 1; k < n; k++) {
		if (strcmp(names[k], s) == 0)
			return ((int)k);
	}
	return (0);
}

static enum res
parse_categories(struct arena *arena, const struct jval *obj,
    struct model_feature *f, char *msg, size_t msglen)
{
	struct model_category *rows;
	const struct jval *v;
	unsigned n = 0;

	rows = arena_alloc(arena, (obj->n + 1) * sizeof(*rows));
	JSON_FOREACH (v, obj) {
		if (v->type != J_INT || (double)v->i < f->minimum ||
		    (double)v->i > f->maximum)
			return (fail(msg, msglen, f->name, v->key,
			    "is no integer in range"));
		for (unsigned k = 0; k < n; k++) {
			if (rows[k].value == (int)v->i)
				return (fail(msg, msglen, f->name, v->key,
				    "has another category's value"));
		}
		rows[n++] =
		    (struct model_category){ arena_strdup(arena, v->key),
			    (int)v->i };
	}
	f->categories = rows;
	f->ncategories = n;
	return (n >= 2 ? RES_OK :
			 fail(msg, msglen, f->name, "categories",
			     "needs two or more"));
}

/* Limits must be such that every accepted value is exact in float32. */
static enum res
check_limits(const struct model_feature *f, char *msg, size_t msglen)
{
	if (f->minimum > f->maximum)
		return (
		    fail(msg, msglen, f->name, "minimum", "is above maximum"));
	if (fabs(f->minimum) > FLOAT_INT_MAX ||
	    fabs(f->maximum) > FLOAT_INT_MAX)
		return (
		    fail(msg, msglen, f->name, "limits", "are beyond 2^24"));
	if (f->type != FEATURE_NUMBER && (f->minimum != floor(f->minimum) ||
					     f->maximum != floor(f->maximum)))
		return (
		    fail(msg, msglen, f->name, "limits", "are not integers"));
	if (f->type == FEATURE_BOOLEAN && (f->minimum != 0 || f->maximum != 1))
		return (fail(msg, msglen, f->name, "limits",
		    "of a boolean are 0 and 1"));
	return (RES_OK);
}

/* code goes with observations, categories with categories, sex with both. */
static enum res
check_kinds(const struct model_feature *f, const struct jval *cats, char *msg,
    size_t msglen)
{
	if ((f->source == SOURCE_OBSERVATION) != (f->code != NULL))
		return (fail(msg, msglen, f->name, "code",
		    "belongs to observations, and to all of them"));
	if ((f->type == FEATURE_CATEGORY) != (cats != NULL))
		return (fail(msg, msglen, f->name, "categories",
		    "belongs to the type category, and always"));
	if (f->source == SOURCE_PATIENT_SEX && f->type != FEATURE_CATEGORY)
		return (
		    fail(msg, msglen, f->name, "patient.sex", "is a category"));
	if (f->source == SOURCE_PATIENT_AGE &&
	    (f->type != FEATURE_INTEGER && f->type != FEATURE_NUMBER))
		return (
		    fail(msg, msglen, f->name, "patient.age", "is a number"));
	return (RES_OK);
}

static enum res
parse_feature(struct arena *arena, const struct jval *obj,
    struct model_feature *f, char *msg, size_t msglen)
{
	const struct jval *cats = json_get(obj, "categories");
	const char *code = json_get_str(obj, "code");

	f->name = arena_strdup(arena, json_get_str(obj, "name"));
	f->unit = arena_strdup(arena, json_get_str(obj, "unit"));
	f->description = arena_strdup(arena, json_get_str(obj, "description"));
	f->code = code != NULL ? arena_strdup(arena, code) : NULL;
	f->type = (enum feature_type)name_index(
	    type_names, NELEM(type_names), json_get_str(obj, "type"));
	f->source = (enum feature_source)name_index(
	    source_names, NELEM(source_names), json_get_str(obj, "source"));
	f->minimum = json_get(obj, "minimum")->d;
	f->maximum = json_get(obj, "maximum")->d;
	f->nullable = json_get(obj, "nullable")->b;
	if (f->name[0] == '\0' || f->type == FEATURE_UNSET ||
	    f->source == SOURCE_UNSET)
		return (fail(msg, msglen, f->name, "name, type or source",
		    "is not a known one"));
	if (check_limits(f, msg, msglen) != RES_OK ||
	    check_kinds(f, cats, msg, msglen) != RES_OK)
		return (RES_ERR);
	return (cats == NULL ? RES_OK :
			       parse_categories(arena, cats, f, msg, msglen));
}

/* Two features may share neither name nor source. */
static enum res
check_unique(
    const struct model_feature *rows, unsigned n, char *msg, size_t msglen)
{
	const struct model_feature *f = &rows[n];

	for (unsigned k = 0; k < n; k++) {
		if (strcmp(rows[k].name, f->name) == 0)
			return (
			    fail(msg, msglen, f->name, "name", "occurs twice"));
		if (rows[k].source == f->source &&
		    (f->code == NULL || strcmp(rows[k].code, f->code) == 0))
			return (fail(
			    msg, msglen, f->name, "source", "occurs twice"));
	}
	return (RES_OK);
}

static enum res
parse_features(
    struct model *m, const struct jval *arr, char *msg, size_t msglen)
{
	struct model_feature *rows;
	const struct jval *v;
	unsigned n = 0;
	char where[32];

	if (arr->n == 0 || arr->n > MODEL_FEATURES_MAX)
		return (fail(msg, msglen, "", "features", "has a bad length"));
	rows = arena_alloc(m->arena, arr->n * sizeof(*rows));
	JSON_FOREACH (v, arr) {
		snprintf(where, sizeof(where), "features[%u]", n);
		if (v->type != J_OBJ)
			return (
			    fail(msg, msglen, where, "it", "is not an object"));
		if (check_members(v, feature_members, NELEM(feature_members),
			where, msg, msglen) != RES_OK ||
		    parse_feature(m->arena, v, &rows[n], msg, msglen) !=
			RES_OK ||
		    check_unique(rows, n, msg, msglen) != RES_OK)
			return (RES_ERR);
		n++;
	}
	m->features = rows;
	m->nfeatures = n;
	return (RES_OK);
}

static enum res
parse_root(struct model *m, const struct jval *root, char *msg, size_t msglen)
{
	if (root->type != J_OBJ)
		return (fail(msg, msglen, "", "schema", "is not an object"));
	if (check_members(root, model_members, NELEM(model_members), "", msg,
		msglen) != RES_OK)
		return (RES_ERR);
	m->name = arena_strdup(m->arena, json_get_str(root, "name"));
	m->version = arena_strdup(m->arena, json_get_str(root, "version"));
	m->title = arena_strdup(m->arena, json_get_str(root, "title"));
	m->target = arena_strdup(m->arena, json_get_str(root, "target"));
	m->horizon = arena_strdup(m->arena, json_get_str(root, "horizon"));
	if (!model_name_valid(m->name))
		return (fail(msg, msglen, "", "name", "is not a valid name"));
	if (!semver_parse(m->version, m->semver))
		return (fail(msg, msglen, "", "version", "is not like 1.2.3"));
	return (parse_features(m, json_get(root, "features"), msg, msglen));
}

enum res
schema_parse(
    struct model *m, const void *text, size_t len, char *msg, size_t msglen)
{
	struct err err;
	struct jval *root;

	err_clear(&err);
	if (json_parse(m->arena, text, len, SCHEMA_DEPTH, &root, &err) !=
	    RES_OK) {
		snprintf(msg, msglen, "not valid JSON: %s", err.detail);
		return (RES_ERR);
	}
	return (parse_root(m, root, msg, msglen));
}
