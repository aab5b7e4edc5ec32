/*
 * One prediction: gather the inputs, score, seal, and store it with its
 * audit row in one statement. When the request names every input and the
 * patient's key is cached, that statement is the only round trip; whether
 * the actor may see the patient is decided there, by PostgreSQL.
 */
#include "obs/obs.h"
#include "predict/predict_priv.h"

static const char *
digest_text(struct arena *arena, const char *hex)
{
	return (arena_printf(arena, "sha256:%s", hex));
}

static bool
complete(const struct inputs *in)
{
	return (!inputs_want(in, SOURCE_PATIENT_AGE) &&
		!inputs_want(in, SOURCE_PATIENT_SEX) &&
		!inputs_want(in, SOURCE_OBSERVATION));
}

/* On the loop: some microseconds (see METRIC_PREDICTION_SECONDS). */
static void
score(struct ctx *cx, const struct inputs *in, struct prediction *p)
{
	unsigned n = in->model->nfeatures;
	float *x = arena_alloc(cx->env.arena, n * sizeof(*x));
	int64_t started;
	float margin;

	for (unsigned k = 0; k < n; k++)
		x[k] = (float)in->v[k].value;
	started = time_mono_us();
	p->probability = model_score(in->model, x, &margin);
	metric_observe(METRIC_PREDICTION_SECONDS, time_mono_us() - started);
	p->margin = margin;
}

/* The inputs are in the log by a keyed digest only: see vault_digest(). */
static const char *
event_detail(struct arena *arena, const struct prediction *p,
    const uint8_t inputs_digest[DIGEST_BYTES])
{
	struct json_out *out = json_out_new(arena);
	char hex[DIGEST_BYTES * 2 + 1];
	const char *text;
	size_t len;

	digest_hex(inputs_digest, DIGEST_BYTES, hex);
	json_obj(out);
	json_kuuid(out, "patient", &p->patient);
	json_kstr(out, "model", p->model_name);
	json_kstr(out, "version", p->model_version);
	json_kstr(out, "digest", p->model_digest);
	json_kstr(out, "inputs_digest", hex);
	json_obj_end(out);
	json_finish(out, &text, &len);

	return (text);
}

static void
describe(struct ctx *cx, const struct model *m, const struct uuid *patient,
    struct prediction *p)
{
	uuid_v7(&p->id);
	p->patient = *patient;
	p->model_name = m->name;
	p->model_version = m->version;
	p->model_digest = digest_text(cx->env.arena, m->digest);
	p->schema_digest = digest_text(cx->env.arena, m->schema_digest);
	p->engine = PREDICTION_ENGINE;
}

static co_fn enum res
store(struct ctx *cx, const struct data_key *key, const struct inputs *in,
    struct prediction *p)
{
	uint8_t inputs_digest[DIGEST_BYTES];
	struct audit_event event;
	struct ciphertext payload;

	if (prediction_seal(
		cx->env.arena, key, p, in, &payload, inputs_digest) != RES_OK)
		return (audit_broken(cx, "prediction", &p->id));
	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, "prediction", &p->id);
	event.detail = event_detail(cx->env.arena, p, inputs_digest);
	p->audit_event = event.id;
	if (predict_db_create(cx, &event, p, &payload) != RES_OK)
		return (audit_db_failed(cx, "patient", &p->patient));

	return (RES_OK);
}

co_fn enum res
prediction_create(struct ctx *cx, const struct model *m,
    const struct uuid *patient, const struct jval *inputs, struct prediction *p)
{
	struct arena *arena = cx->env.arena;
	struct err *err = &cx->env.err;
	const struct data_key *key;
	struct inputs in;
	bool whole;

	cx->patient_id = *patient;
	inputs_init(&in, m, arena);
	inputs_from_request(&in, inputs, arena, err);
	/* Nothing of the record is needed to refuse these, and nothing of it
	 * shows in the answer. */
	whole = complete(&in);
	if (err->nfields > 0)
		return (err_fail(err, PROBLEM_VALIDATION,
		    "%u mistake%s: see errors", err->nfields,
		    err->nfields == 1 ? "" : "s"));
	if (whole && inputs_finish(&in, arena, err) != RES_OK)
		return (RES_ERR);
	if (record_fill(cx, patient, &in, &key) != RES_OK)
		return (RES_ERR);
	/* That the record lacks something is read from the record. */
	if (!whole && inputs_finish(&in, arena, err) != RES_OK)
		return (audit_failed(cx, "patient", patient));
	cx->patient_key = key;
	describe(cx, m, patient, p);
	score(cx, &in, p);

	return (store(cx, key, &in, p));
}

/*
 * The SELECT comes first, unlike that of a patient: only it tells whom the
 * prediction is about, and the audit row must name her.
 */
co_fn enum res
prediction_read(struct ctx *cx, const struct uuid *id, struct prediction *p)
{
	const struct data_key *key;
	struct audit_event event;
	struct ciphertext payload;
	struct wrapped_key wrapped;
	struct db_op *op;
	bool there;

	if (predict_db_get(cx, id, &op) != RES_OK ||
	    predict_db_get_wait(cx, op, p, &payload, &wrapped, &there) !=
		RES_OK)
		return (audit_failed(cx, "prediction", id));
	if (!there)
		return (audit_denied(cx, "prediction", id));
	cx->patient_id = p->patient;
	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, "prediction", id);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);
	if ((key = audit_open_key(cx, &p->patient, &wrapped)) == NULL)
		return (RES_ERR);
	if (prediction_open(cx->env.arena, key, &payload, p) != RES_OK)
		return (audit_broken(cx, "prediction", id));

	return (RES_OK);
}
