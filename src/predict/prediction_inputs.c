/*
 * The inputs of one prediction, in model order: each from the request, else
 * from the record, else missing. An explicit null is missing and is not
 * looked for in the record.
 */
#include <math.h>
#include <string.h>

#include "predict/predict_priv.h"

static const char *const origin_names[] = {
	[INPUT_REQUEST] = "request",
	[INPUT_PATIENT] = "patient",
	[INPUT_OBSERVATION] = "observation",
	[INPUT_MISSING] = "missing",
};

void
inputs_init(struct inputs *in, const struct model *m, struct arena *arena)
{
	in->model = m;
	in->v = arena_alloc(arena, m->nfeatures * sizeof(*in->v));
	for (unsigned k = 0; k < m->nfeatures; k++)
		in->v[k].value = NAN;
}

/* RFC 6901: names come from the request as they are. */
static const char *
input_pointer(struct arena *arena, const char *name)
{
	struct buf b;

	buf_init(&b, arena, 64);
	buf_puts(&b, "/inputs/");
	for (; *name != '\0'; name++) {
		if (*name == '~')
			buf_puts(&b, "~0");
		else if (*name == '/')
			buf_puts(&b, "~1");
		else
			buf_putc(&b, *name);
	}

	return (b.data);
}

/* What a feature of this type may be given as, for a client. */
static const char *
must_be(enum feature_type type)
{
	if (type == FEATURE_BOOLEAN)
		return ("must be true, false, 0, 1 or null");
	if (type == FEATURE_CATEGORY)
		return ("must be the name or the value of a category, or null");

	return ("must be a number or null");
}

/* The number that a value stands for; *code says what is wrong with it. */
static enum res
as_number(const struct model_feature *f, const struct jval *v, double *number,
    const char **code)
{
	int value;

	*code = "type";
	if (v->type == J_INT || v->type == J_NUM) {
		*number = v->d;
		return (RES_OK);
	}
	if (v->type == J_BOOL && f->type == FEATURE_BOOLEAN) {
		*number = v->b ? 1 : 0;
		return (RES_OK);
	}
	if (v->type != J_STR || f->type != FEATURE_CATEGORY)
		return (RES_ERR);
	*code = "enum";
	if (model_category_value(f, v->s, &value) != RES_OK)
		return (RES_ERR);
	*number = value;

	return (RES_OK);
}

static void
take_one(struct inputs *in, const struct jval *v, struct arena *arena,
    struct err *err)
{
	const struct model_feature *f;
	const char *code;
	char detail[256];
	int k = model_feature_index(in->model, v->key);

	if (k < 0) {
		err_field(err, arena, input_pointer(arena, v->key), "unknown",
		    "is not a feature of the model");
		return;
	}
	if (v->type == J_NULL) {
		in->v[k].from = INPUT_MISSING;
		return;
	}
	f = &in->model->features[k];
	in->v[k].from = INPUT_REQUEST;
	if (as_number(f, v, &in->v[k].value, &code) != RES_OK)
		err_field(err, arena, input_pointer(arena, v->key), code, "%s",
		    must_be(f->type));
	else if (model_input_check(in->model, (unsigned)k, in->v[k].value,
		     detail, sizeof(detail)) != RES_OK)
		err_field(err, arena, input_pointer(arena, v->key), "range",
		    "%s", detail);
}

void
inputs_from_request(struct inputs *in, const struct jval *obj,
    struct arena *arena, struct err *err)
{
	const struct jval *v;

	if (obj == NULL)
		return;
	JSON_FOREACH (v, obj)
		take_one(in, v, arena, err);
}

bool
inputs_want(const struct inputs *in, enum feature_source source)
{
	for (unsigned k = 0; k < in->model->nfeatures; k++) {
		if (in->v[k].from == INPUT_UNSET &&
		    in->model->features[k].source == source)
			return (true);
	}

	return (false);
}

void
input_from_record(struct inputs *in, unsigned k, double value,
    enum input_origin from, struct arena *arena, struct err *err)
{
	char detail[256];

	in->v[k].from = from;
	in->v[k].value = value;
	if (model_input_check(in->model, k, value, detail, sizeof(detail)) !=
	    RES_OK)
		err_field(err, arena,
		    input_pointer(arena, in->model->features[k].name), "record",
		    "from the patient's record: %s", detail);
}

void
input_unreadable(struct inputs *in, unsigned k, const char *detail,
    struct arena *arena, struct err *err)
{
	in->v[k].from = INPUT_OBSERVATION;
	err_field(err, arena, input_pointer(arena, in->model->features[k].name),
	    "record", "from the patient's record: %s", detail);
}

enum res
inputs_finish(struct inputs *in, struct arena *arena, struct err *err)
{
	const struct model_feature *f = in->model->features;
	bool mistaken = err->nfields > 0;

	for (unsigned k = 0; k < in->model->nfeatures; k++) {
		if (in->v[k].from == INPUT_UNSET)
			in->v[k].from = INPUT_MISSING;
		if (in->v[k].from == INPUT_MISSING && !f[k].nullable)
			err_field(err, arena, input_pointer(arena, f[k].name),
			    "required", "is missing, and the model needs it");
	}
	if (err->nfields == 0)
		return (RES_OK);
	if (mistaken)
		return (err_fail(err, PROBLEM_VALIDATION,
		    "%u mistake%s: see errors", err->nfields,
		    err->nfields == 1 ? "" : "s"));

	return (err_fail(err, PROBLEM_MISSING_FEATURES,
	    "%u input%s missing: see errors", err->nfields,
	    err->nfields == 1 ? " is" : "s are"));
}

void
inputs_write(struct json_out *out, const struct inputs *in)
{
	json_obj(out);
	for (unsigned k = 0; k < in->model->nfeatures; k++)
		json_knum(out, in->model->features[k].name, in->v[k].value);
	json_obj_end(out);
}

void
inputs_write_sources(struct json_out *out, const struct inputs *in)
{
	json_obj(out);
	for (unsigned k = 0; k < in->model->nfeatures; k++)
		json_kstr(out, in->model->features[k].name,
		    origin_names[in->v[k].from]);
	json_obj_end(out);
}
