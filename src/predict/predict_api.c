/*
 * /v1/predictions and /v1/models: from request to struct and from struct to
 * reply.
 */
#include "obs/obs.h"
#include "predict/predict_priv.h"

static void
write_model_ref(struct json_out *out, const struct prediction *p)
{
	json_obj(out);
	json_kstr(out, "name", p->model_name);
	json_kstr(out, "version", p->model_version);
	json_kstr(out, "digest", p->model_digest);
	json_kstr(out, "schema_digest", p->schema_digest);
	json_obj_end(out);
}

static enum res
reply_prediction(struct ctx *cx, int status, const struct prediction *p)
{
	struct json_out *out = json_out_new(cx->env.arena);

	json_obj(out);
	json_kuuid(out, "id", &p->id);
	json_kuuid(out, "patient_id", &p->patient);
	json_knum(out, "probability", p->probability);
	json_knum(out, "margin", p->margin);
	json_key(out, "model");
	write_model_ref(out, p);
	json_key(out, "inputs");
	json_value(out, p->inputs);
	json_key(out, "sources");
	json_value(out, p->sources);
	json_kstr(out, "engine", p->engine);
	json_kuuid(out, "audit_event_id", &p->audit_event);
	json_ktime(out, "created_at", p->created_us);
	json_obj_end(out);
	reply_json(cx, status, out);

	return (RES_OK);
}

static enum res
find_model(struct ctx *cx, const struct model **m)
{
	const char *name = json_get_str(cx->body, "model");
	const char *version = json_get_str(cx->body, "model_version");
	bool known;

	if ((*m = registry_find(name, version)) != NULL)
		return (RES_OK);
	known = version != NULL && registry_find(name, NULL) != NULL;
	err_field(&cx->env.err, cx->env.arena,
	    known ? "/model_version" : "/model", "unknown", "is not served: %s",
	    known ? "GET /v1/models names the versions" :
		    "GET /v1/models names the models");

	return (err_fail(
	    &cx->env.err, PROBLEM_VALIDATION, "There is no such model."));
}

static co_fn enum res
create(struct ctx *cx)
{
	struct prediction p = { .created_us = 0 };
	const struct model *m;
	struct uuid patient = { { 0 } };
	char id[UUID_STRLEN + 1];

	if (find_model(cx, &m) != RES_OK)
		return (RES_ERR);
	/* The schema has checked that it is one. */
	(void)uuid_parse(json_get_str(cx->body, "patient_id"), &patient);
	if (prediction_create(
		cx, m, &patient, json_get(cx->body, "inputs"), &p) != RES_OK)
		return (RES_ERR);
	uuid_format(&p.id, id);
	reply_header(cx, "Location",
	    arena_printf(cx->env.arena, "/v1/predictions/%s", id));

	return (reply_prediction(cx, 201, &p));
}

co_fn enum res
predictions_create(struct ctx *cx)
{
	enum res rc = create(cx);

	metric_add(rc == RES_OK ? METRIC_PREDICTIONS_SUCCESS :
				  METRIC_PREDICTIONS_FAILURE,
	    1);

	return (rc);
}

co_fn enum res
predictions_get(struct ctx *cx)
{
	struct prediction p = { .created_us = 0 };

	if (prediction_read(cx, ctx_param(cx, "prediction_id"), &p) != RES_OK)
		return (RES_ERR);

	return (reply_prediction(cx, 200, &p));
}

/* ---- models -------------------------------------------------------------- */

static const char *
type_name(enum feature_type type)
{
	switch (type) {
	case FEATURE_INTEGER:
		return ("integer");
	case FEATURE_BOOLEAN:
		return ("boolean");
	case FEATURE_CATEGORY:
		return ("category");
	case FEATURE_NUMBER:
	case FEATURE_UNSET:
		break;
	}

	return ("number");
}

static const char *
source_name(enum feature_source source)
{
	switch (source) {
	case SOURCE_PATIENT_AGE:
		return ("patient.age");
	case SOURCE_PATIENT_SEX:
		return ("patient.sex");
	case SOURCE_OBSERVATION:
	case SOURCE_UNSET:
		break;
	}

	return ("observation");
}

static void
write_categories(struct json_out *out, const struct model_feature *f)
{
	if (f->ncategories == 0) {
		json_null(out);
		return;
	}
	json_obj(out);
	for (unsigned k = 0; k < f->ncategories; k++)
		json_kint(out, f->categories[k].name, f->categories[k].value);
	json_obj_end(out);
}

static void
write_feature(struct json_out *out, const struct model_feature *f)
{
	json_obj(out);
	json_kstr(out, "name", f->name);
	json_kstr(out, "type", type_name(f->type));
	json_kstr(out, "unit", f->unit);
	json_knum(out, "minimum", f->minimum);
	json_knum(out, "maximum", f->maximum);
	json_kbool(out, "nullable", f->nullable);
	json_kstr(out, "source", source_name(f->source));
	json_kstr(out, "code", f->code);
	json_key(out, "categories");
	write_categories(out, f);
	json_kstr(out, "description", f->description);
	json_obj_end(out);
}

static void
write_model(struct ctx *cx, struct json_out *out, const struct model *m)
{
	json_obj(out);
	json_kstr(out, "name", m->name);
	json_kstr(out, "version", m->version);
	json_kstr(out, "title", m->title);
	json_kstr(out, "target", m->target);
	json_kstr(out, "horizon", m->horizon);
	json_kstr(
	    out, "digest", arena_printf(cx->env.arena, "sha256:%s", m->digest));
	json_kstr(out, "schema_digest",
	    arena_printf(cx->env.arena, "sha256:%s", m->schema_digest));
	json_key(out, "features");
	json_arr(out);
	for (unsigned k = 0; k < m->nfeatures; k++)
		write_feature(out, &m->features[k]);
	json_arr_end(out);
	json_obj_end(out);
}

enum res
models_list(struct ctx *cx)
{
	struct json_out *out = json_out_new(cx->env.arena);

	json_obj(out);
	json_key(out, "items");
	json_arr(out);
	for (unsigned k = 0; k < registry_count(); k++)
		write_model(cx, out, registry_at(k));
	json_arr_end(out);
	json_obj_end(out);
	reply_json(cx, 200, out);

	return (RES_OK);
}
