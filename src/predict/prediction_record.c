/*
 * Inputs from the patient's record: age and sex of the patient, and of each
 * wanted code the observation with the latest effective_at. The codes are
 * found by an index under the patient's key, so the query for them starts
 * with the one for the patient only when that key is cached.
 */
#include <string.h>

#include "predict/predict_priv.h"

/* Opening one takes some 4 us; the loop must turn within a millisecond. */
#define OPENED_AT_ONCE 200

/* What is sought of one feature. */
struct wanted {
	uint8_t code_index[CODE_INDEX];
	bool sought, found;
	int64_t effective_us;
	struct uuid id;
	double value;
};

/* ---- the patient --------------------------------------------------------- */

static void
take_age(struct ctx *cx, struct inputs *in, unsigned k, const char *birth_date)
{
	int32_t days;

	if (birth_date == NULL || date_parse(birth_date, &days) != RES_OK)
		return;
	input_from_record(in, k, date_age_years(days, cx->now_us),
	    INPUT_PATIENT, cx->env.arena, &cx->env.err);
}

/* A sex that the model does not know is missing. */
static void
take_sex(struct ctx *cx, struct inputs *in, unsigned k, const char *sex)
{
	int value;

	if (sex == NULL || model_category_value(
			       &in->model->features[k], sex, &value) != RES_OK)
		return;
	input_from_record(
	    in, k, value, INPUT_PATIENT, cx->env.arena, &cx->env.err);
}

static co_fn enum res
take_patient(struct ctx *cx, const struct data_key *key,
    const struct uuid *patient, const struct patient_record *row,
    struct inputs *in)
{
	const char *birth_date, *sex;

	if (record_open_patient(cx->env.arena, key, patient, row->version,
		&row->identity, &row->clinical, &birth_date, &sex) != RES_OK)
		return (audit_broken(cx, "patient", patient));
	for (unsigned k = 0; k < in->model->nfeatures; k++) {
		if (in->v[k].from != INPUT_UNSET)
			continue;
		if (in->model->features[k].source == SOURCE_PATIENT_AGE)
			take_age(cx, in, k, birth_date);
		else if (in->model->features[k].source == SOURCE_PATIENT_SEX)
			take_sex(cx, in, k, sex);
	}

	return (RES_OK);
}

/* ---- observations ---------------------------------------------------------
 */

static co_fn enum res
start_latest(struct ctx *cx, const struct data_key *key,
    const struct uuid *patient, const struct inputs *in, struct wanted *want,
    struct db_op **op)
{
	const struct model_feature *f = in->model->features;
	struct db_array codes;

	db_array(&codes, cx->env.arena, DB_OID_BYTEA);
	for (unsigned k = 0; k < in->model->nfeatures; k++) {
		want[k].sought = in->v[k].from == INPUT_UNSET &&
				 f[k].source == SOURCE_OBSERVATION;
		if (!want[k].sought)
			continue;
		record_code_index(
		    cx->env.arena, key, f[k].code, want[k].code_index);
		db_array_add(&codes, want[k].code_index, CODE_INDEX);
	}

	return (predict_db_latest(cx, patient, &codes, op));
}

/* Rows of one code stand together: the search begins at the last match. */
static int
wanted_by(const struct wanted *want, unsigned n, unsigned start,
    const uint8_t *code_index)
{
	for (unsigned i = 0; i < n && code_index != NULL; i++) {
		unsigned k = (start + i) % n;

		if (want[k].sought &&
		    memcmp(want[k].code_index, code_index, CODE_INDEX) == 0)
			return ((int)k);
	}

	return (-1);
}

/* Of two with the same time the one entered last counts. */
static bool
later(const struct wanted *w, int64_t effective_us, const struct uuid *id)
{
	if (!w->found || effective_us > w->effective_us)
		return (true);

	return (effective_us == w->effective_us &&
		memcmp(id->b, w->id.b, sizeof(id->b)) > 0);
}

static co_fn enum res
take_row(struct ctx *cx, const struct data_key *key, const struct db_rows *rows,
    int row, struct wanted *want, unsigned n, unsigned *at)
{
	struct observation_record o;
	int64_t effective_us;
	double value;
	int k;

	predict_db_latest_map(rows, row, &o);
	if ((k = wanted_by(want, n, *at, o.code_index)) < 0 ||
	    record_open_observation(cx->env.arena, key, &o.id, &o.payload,
		&value, &effective_us) != RES_OK)
		return (audit_broken(cx, "observation", &o.id));
	*at = (unsigned)k;
	if (later(&want[k], effective_us, &o.id)) {
		want[k].found = true;
		want[k].effective_us = effective_us;
		want[k].id = o.id;
		want[k].value = value;
	}

	return (RES_OK);
}

static co_fn enum res
take_latest(struct ctx *cx, const struct data_key *key,
    const struct uuid *patient, struct db_op *op, struct wanted *want,
    struct inputs *in)
{
	unsigned n = in->model->nfeatures, at = 0;
	struct db_rows *rows;

	if (db_wait(&cx->env, op, &rows) != RES_OK)
		return (audit_db_failed(cx, "patient", patient));
	for (int i = 0; i < db_count(rows); i++) {
		if (take_row(cx, key, rows, i, want, n, &at) != RES_OK)
			return (RES_ERR);
		if (i % OPENED_AT_ONCE == OPENED_AT_ONCE - 1)
			co_sleep(1);
	}
	for (unsigned k = 0; k < n; k++) {
		if (want[k].found)
			input_from_record(in, k, want[k].value,
			    INPUT_OBSERVATION, cx->env.arena, &cx->env.err);
	}

	return (RES_OK);
}

/* ---- both ------------------------------------------------------------------
 */

static co_fn enum res
fill_patient(struct ctx *cx, const struct uuid *patient, bool whole,
    struct db_op *op, struct inputs *in, const struct data_key **key)
{
	struct patient_record row;
	bool there;

	if (predict_db_patient_wait(cx, op, whole, &row, &there) != RES_OK)
		return (audit_db_failed(cx, "patient", patient));
	if (!there)
		return (audit_denied(cx, "patient", patient));
	if ((*key = audit_open_key(cx, patient, &row.key)) == NULL)
		return (RES_ERR);

	return (whole ? take_patient(cx, *key, patient, &row, in) : RES_OK);
}

co_fn enum res
record_fill(struct ctx *cx, const struct uuid *patient, struct inputs *in,
    const struct data_key **key)
{
	bool whole = inputs_want(in, SOURCE_PATIENT_AGE) ||
		     inputs_want(in, SOURCE_PATIENT_SEX);
	bool observed = inputs_want(in, SOURCE_OBSERVATION);
	struct data_key *cached = arena_alloc(cx->env.arena, sizeof(*cached));
	bool known = vault_cache_get(patient, cached);
	struct db_op *op, *latest = NULL;
	struct wanted *want;

	*key = cached;
	if (known && !whole && !observed)
		return (RES_OK); /* the INSERT checks who may */
	want = arena_alloc(cx->env.arena, in->model->nfeatures * sizeof(*want));
	if (predict_db_patient(cx, patient, whole, &op) != RES_OK ||
	    (known && observed &&
		start_latest(cx, cached, patient, in, want, &latest) != RES_OK))
		return (audit_db_failed(cx, "patient", patient));
	if (fill_patient(cx, patient, whole, op, in, key) != RES_OK)
		return (RES_ERR);
	if (!observed)
		return (RES_OK);
	/* With another key the codes are found under another index. */
	if ((latest == NULL || (*key)->version != cached->version) &&
	    start_latest(cx, *key, patient, in, want, &latest) != RES_OK)
		return (audit_db_failed(cx, "patient", patient));

	return (take_latest(cx, *key, patient, latest, want, in));
}
