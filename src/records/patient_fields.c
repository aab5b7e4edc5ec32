/*
 * A patient's fields, one row each in tbl/patient_fields.def: from a body,
 * merged with a patch, checked, and to and from the JSON that is sealed.
 */
#include <string.h>

#include "records/records_priv.h"

#define BIRTH_DATE_MIN "1880-01-01"
#define DAY_US         (INT64_C(86400) * 1000000)

static const struct {
	const char *name;
	enum patient_part part;
	bool required;
} fields[PATIENT_FIELD_MAX] = {
#define PATIENT_FIELD(id, name, type, flags, min, max, choices, part, text) \
	[PATIENT_##id] = { name, PART_##part, ((flags)&F_REQUIRED) != 0 },
#include "records/tbl/patient_fields.def"
#undef PATIENT_FIELD
};

#define FOREACH_FIELD(f) \
	for (int f = PATIENT_UNSET + 1; f < PATIENT_FIELD_MAX; f++)

static const char *
text_of(const struct jval *v)
{
	return (v != NULL && v->type == J_STR ? v->s : NULL);
}

void
patient_from_body(struct patient *p, const struct jval *body)
{
	FOREACH_FIELD(f)
	p->value[f] = text_of(json_get(body, fields[f].name));
}

static bool
same(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a == b);

	return (strcmp(a, b) == 0);
}

bool
patient_merge(struct patient *p, const struct jval *body)
{
	const struct jval *v;
	bool changed = false;

	FOREACH_FIELD(f)
	{
		if ((v = json_get(body, fields[f].name)) == NULL)
			continue;
		changed |= !same(p->value[f], text_of(v));
		p->value[f] = text_of(v);
	}

	return (changed);
}

static bool
blank(const char *s)
{
	return (s != NULL && s[strspn(s, " \t\n")] == '\0');
}

static void
check_birth_date(
    const char *date, int64_t now_us, struct arena *arena, struct err *err)
{
	int32_t days, least;

	if (date == NULL || date_parse(date, &days) != RES_OK ||
	    date_parse(BIRTH_DATE_MIN, &least) != RES_OK)
		return; /* the schema has seen to it */
	if (days < least)
		err_field(err, arena, "/birth_date", "min",
		    "must not be before " BIRTH_DATE_MIN);
	else if (days > now_us / DAY_US)
		err_field(err, arena, "/birth_date", "max",
		    "must not be in the future");
}

enum res
patient_check(const struct patient *p, int64_t now_us, struct arena *arena,
    struct err *err)
{
	static const enum patient_field not_blank[] = { PATIENT_GIVEN_NAME,
		PATIENT_FAMILY_NAME, PATIENT_MRN };

	for (size_t i = 0; i < NELEM(not_blank); i++) {
		if (blank(p->value[not_blank[i]]))
			err_field(err, arena,
			    arena_printf(
				arena, "/%s", fields[not_blank[i]].name),
			    "format", "must not be blank");
	}
	check_birth_date(p->value[PATIENT_BIRTH_DATE], now_us, arena, err);
	if (err->nfields == 0)
		return (RES_OK);

	return (err_fail(err, PROBLEM_VALIDATION, "%u mistake%s: see errors",
	    err->nfields, err->nfields == 1 ? "" : "s"));
}

void
patient_write_fields(
    struct json_out *out, const struct patient *p, enum patient_part part)
{
	FOREACH_FIELD(f)
	{
		if (part == PART_UNSET || fields[f].part == part)
			json_kstr(out, fields[f].name, p->value[f]);
	}
}

enum res
patient_read_fields(
    struct patient *p, const struct jval *v, enum patient_part part)
{
	if (v->type != J_OBJ)
		return (RES_ERR);
	FOREACH_FIELD(f)
	{
		if (fields[f].part != part)
			continue;
		p->value[f] = text_of(json_get(v, fields[f].name));
		if (p->value[f] == NULL && fields[f].required)
			return (RES_ERR);
	}

	return (RES_OK);
}
