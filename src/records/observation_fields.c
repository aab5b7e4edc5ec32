/*
 * What an observation may be: a closed list of codes, each with its unit and
 * hard limits (tbl/observation_types.def), and a time that has come.
 */
#include <math.h>
#include <string.h>

#include "records/records_priv.h"

#define CLOCK_GRACE_US (INT64_C(60) * 1000000) /* of callers' clocks */

static const struct observation_type types[] = {
#define OBSERVATION(code, unit, min, max, decimals, loinc, title) \
	{ #code, unit, min, max, decimals },
#include "records/tbl/observation_types.def"
#undef OBSERVATION
};

const struct observation_type *
observation_type(const char *code)
{
	for (size_t i = 0; i < NELEM(types); i++)
		if (strcmp(types[i].code, code) == 0)
			return (&types[i]);

	return (NULL);
}

static void
check_against_type(const struct observation *o,
    const struct observation_type *t, struct arena *arena, struct err *err)
{
	if (strcmp(o->unit, t->unit) != 0)
		err_field(err, arena, "/unit", "unit", "must be %s for %s",
		    t->unit, t->code);
	if (o->value < t->min)
		err_field(err, arena, "/value", "min",
		    "must be at least %.15g for %s", t->min, t->code);
	else if (o->value > t->max)
		err_field(err, arena, "/value", "max",
		    "must be at most %.15g for %s", t->max, t->code);
	else if (t->decimals == 0 && o->value != floor(o->value))
		err_field(err, arena, "/value", "integer",
		    "must be a whole number for %s", t->code);
}

static void
take_time(struct observation *o, const char *at, int64_t now_us,
    struct arena *arena, struct err *err)
{
	o->effective_us = now_us;
	if (at == NULL || time_parse(at, &o->effective_us) != RES_OK)
		return; /* not given; the schema checked its form */
	if (o->effective_us > now_us + CLOCK_GRACE_US)
		err_field(err, arena, "/effective_at", "max",
		    "must not be in the future");
}

enum res
observation_from_body(struct observation *o, const struct jval *body,
    int64_t now_us, struct arena *arena, struct err *err)
{
	const struct observation_type *t;

	o->code = json_get_str(body, "code");
	o->value = json_get(body, "value")->d;
	o->note = json_get_str(body, "note");
	o->unit = json_get_str(body, "unit");
	take_time(o, json_get_str(body, "effective_at"), now_us, arena, err);
	if ((t = observation_type(o->code)) == NULL) {
		err_field(err, arena, "/code", "enum", "is not a known code");
	} else {
		if (o->unit == NULL)
			o->unit = t->unit;
		o->code = t->code;
		check_against_type(o, t, arena, err);
	}
	if (err->nfields == 0)
		return (RES_OK);

	return (err_fail(err, PROBLEM_VALIDATION, "%u mistake%s: see errors",
	    err->nfields, err->nfields == 1 ? "" : "s"));
}

void
observation_write_fields(struct json_out *out, const struct observation *o)
{
	json_kstr(out, "code", o->code);
	json_knum(out, "value", o->value);
	json_kstr(out, "unit", o->unit);
	json_ktime(out, "effective_at", o->effective_us);
	json_kstr(out, "note", o->note);
}
