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
	bool sought; /* until the last page of its code is read */
	bool found;
	int64_t effective_us;
	struct uuid id;
	double value;
	int32_t rows; /* of the page being read */
	struct uuid oldest;
};

/*
 * Rows of a code come in the order of their entry, the latest measurement may
 * be any of them (time is sealed): every page has to be read.
 */
struct search {
	const struct uuid *patient;
	const struct data_key *key;
	struct inputs *in;
	struct wanted *want; /* one a feature */
	unsigned codes;      /* sought */
	int32_t per_code;    /* rows at most, of the page under way */
	int32_t read;        /* rows so far */
	struct db_op *op;
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

static void
search_init(struct ctx *cx, struct search *s, const struct uuid *patient,
    struct inputs *in)
{
	memset(s, 0, sizeof(*s));
	s->patient = patient;
	s->in = in;
	s->want =
	    arena_alloc(cx->env.arena, in->model->nfeatures * sizeof(*s->want));
}

/* 0: no more rows may be read for this prediction. */
static int32_t
page_size(const struct search *s)
{
	int32_t most = s->read == 0 ? OBSERVATIONS_FIRST : OBSERVATIONS_NEXT;
	int32_t left = (OBSERVATIONS_READ_MAX - s->read) / (int32_t)s->codes;

	if (left < 0)
		return (0);

	return (left < most ? left : most);
}

static co_fn enum res
start_page(struct ctx *cx, struct search *s)
{
	struct db_array codes, before;
	struct wanted *w;

	db_array(&codes, cx->env.arena, DB_OID_BYTEA);
	db_array(&before, cx->env.arena, DB_OID_UUID);
	for (unsigned k = 0; k < s->in->model->nfeatures; k++) {
		w = &s->want[k];
		if (!w->sought)
			continue;
		db_array_add(&codes, w->code_index, CODE_INDEX);
		db_array_add(&before, w->rows > 0 ? w->oldest.b : NULL,
		    sizeof(w->oldest.b));
		w->rows = 0;
	}
	s->per_code = page_size(s);

	return (predict_db_latest(
	    cx, s->patient, &codes, &before, s->per_code, &s->op));
}

/* The first page; the codes are found by this key. */
static co_fn enum res
start_search(struct ctx *cx, struct search *s, const struct data_key *key)
{
	const struct model_feature *f = s->in->model->features;
	struct wanted *w;

	s->key = key;
	s->codes = 0;
	for (unsigned k = 0; k < s->in->model->nfeatures; k++) {
		w = &s->want[k];
		w->sought = s->in->v[k].from == INPUT_UNSET &&
			    f[k].source == SOURCE_OBSERVATION;
		if (!w->sought)
			continue;
		record_code_index(cx->env.arena, key, f[k].code, w->code_index);
		s->codes++;
	}

	return (start_page(cx, s));
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

static void
keep(
    struct wanted *w, const struct uuid *id, int64_t effective_us, double value)
{
	if (w->rows == 0 || memcmp(id->b, w->oldest.b, sizeof(id->b)) < 0)
		w->oldest = *id;
	w->rows++;
	if (!later(w, effective_us, id))
		return;
	w->found = true;
	w->effective_us = effective_us;
	w->id = *id;
	w->value = value;
}

static co_fn enum res
take_row(struct ctx *cx, struct search *s, struct arena *scratch,
    const struct db_rows *rows, int row, unsigned *at)
{
	struct observation_record o;
	int64_t effective_us;
	double value;
	int k;

	predict_db_latest_map(rows, row, &o);
	k = wanted_by(s->want, s->in->model->nfeatures, *at, o.code_index);
	if (k < 0 || record_open_observation(scratch, s->key, &o.id, &o.payload,
			 &value, &effective_us) != RES_OK)
		return (audit_broken(cx, "observation", &o.id));
	*at = (unsigned)k;
	keep(&s->want[k], &o.id, effective_us, value);

	return (RES_OK);
}

/* What was opened goes at once: there may be thousands. */
static co_fn enum res
take_some(struct ctx *cx, struct search *s, const struct db_rows *rows,
    int from, unsigned *at)
{
	struct arena *scratch = arena_new();
	enum res rc = RES_OK;

	for (int i = from;
	     rc == RES_OK && i < db_count(rows) && i < from + OPENED_AT_ONCE;
	     i++)
		rc = take_row(cx, s, scratch, rows, i, at);
	arena_destroy(&scratch);

	return (rc);
}

static co_fn enum res
take_page(struct ctx *cx, struct search *s)
{
	struct db_rows *rows;
	unsigned at = 0;

	if (db_wait(&cx->env, s->op, &rows) != RES_OK)
		return (audit_db_failed(cx, "patient", s->patient));
	for (int i = 0; i < db_count(rows); i += OPENED_AT_ONCE) {
		if (i > 0)
			co_sleep(1);
		if (take_some(cx, s, rows, i, &at) != RES_OK)
			return (RES_ERR);
	}
	s->read += db_count(rows);
	/* A page that is not full is the last one of its code. */
	for (unsigned k = 0; k < s->in->model->nfeatures; k++) {
		if (!s->want[k].sought || s->want[k].rows == s->per_code)
			continue;
		s->want[k].sought = false;
		s->codes--;
	}

	return (RES_OK);
}

/* A code that was not read to its end has no latest value. */
static void
hand_over(struct ctx *cx, struct search *s)
{
	for (unsigned k = 0; k < s->in->model->nfeatures; k++) {
		if (s->want[k].sought)
			input_unreadable(s->in, k,
			    "too many measurements to find the latest one; "
			    "send this input",
			    cx->env.arena, &cx->env.err);
		else if (s->want[k].found)
			input_from_record(s->in, k, s->want[k].value,
			    INPUT_OBSERVATION, cx->env.arena, &cx->env.err);
	}
}

static co_fn enum res
take_latest(struct ctx *cx, struct search *s)
{
	for (;;) {
		if (take_page(cx, s) != RES_OK)
			return (RES_ERR);
		if (s->codes == 0 || page_size(s) == 0)
			break;
		if (start_page(cx, s) != RES_OK)
			return (audit_db_failed(cx, "patient", s->patient));
	}
	hand_over(cx, s);

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
	struct search s;
	struct db_op *op;

	*key = cached;
	if (known && !whole && !observed)
		return (RES_OK); /* the INSERT checks who may */
	search_init(cx, &s, patient, in);
	if (predict_db_patient(cx, patient, whole, &op) != RES_OK ||
	    (known && observed && start_search(cx, &s, cached) != RES_OK))
		return (audit_db_failed(cx, "patient", patient));
	if (fill_patient(cx, patient, whole, op, in, key) != RES_OK)
		return (RES_ERR);
	if (!observed)
		return (RES_OK);
	/* With another key the codes are found under another index. */
	if ((s.op == NULL || (*key)->version != cached->version) &&
	    start_search(cx, &s, *key) != RES_OK)
		return (audit_db_failed(cx, "patient", patient));

	return (take_latest(cx, &s));
}
