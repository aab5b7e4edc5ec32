/*
 * The SQL of predictions, and of the record they draw on: functions that
 * take the acting subject and show nothing else. A prediction and its audit
 * row are one statement.
 */
#include "predict/predict_priv.h"

DB_STATEMENT(predict_patient, DB_READ,
    "SELECT key_version, wrapped_key, version, identity, clinical"
    " FROM eleusis.patient_get($1, $2, $3)")
DB_STATEMENT(predict_key, DB_READ,
    "SELECT key_version, wrapped_key FROM eleusis.patient_key($1, $2, $3)")
DB_STATEMENT(predict_latest, DB_READ,
    "SELECT id, code_index, payload"
    " FROM eleusis.observation_latest($1, $2, $3, $4, $5, $6)")
DB_STATEMENT(prediction_insert, DB_WRITE,
    AUDIT_WITH
    "SELECT c.at FROM eleusis.prediction_create($12, $13, $14, $15, $16,"
    " $17, $18, $19, $20, $21, $22) AS c (at)")
DB_STATEMENT(prediction_one, DB_READ,
    "SELECT key_version, wrapped_key, id, patient_id, model_name,"
    " model_version, model_digest, schema_digest, engine, payload,"
    " audit_event_id, created_at"
    " FROM eleusis.prediction_get($1, $2, $3)")

static void
actor_args(struct ctx *cx, struct db_args *a)
{
	db_uuid(a, &cx->who->user_id);
	db_text(a, role_name(cx->who->role));
}

static void
object_args(struct ctx *cx, struct db_args *a, const struct uuid *id)
{
	db_args(a, &cx->env);
	actor_args(cx, a);
	db_uuid(a, id);
}

/* Columns 0 and 1 of every row that carries a key. */
static void
key_map(const struct db_rows *rows, struct wrapped_key *key)
{
	key->version = (uint32_t)db_col_int4(rows, 0, 0);
	key->wrapped = NULL;
	key->len = 0;
	if (!db_is_null(rows, 0, 1))
		key->wrapped = db_col_bytes(rows, 0, 1, &key->len);
}

co_fn enum res
predict_db_patient(
    struct ctx *cx, const struct uuid *id, bool whole, struct db_op **op)
{
	struct db_args a;

	object_args(cx, &a, id);

	return (db_start(
	    &cx->env, whole ? &predict_patient : &predict_key, &a, op));
}

co_fn enum res
predict_db_patient_wait(struct ctx *cx, struct db_op *op, bool whole,
    struct patient_record *p, bool *there)
{
	struct db_rows *rows;

	if (db_wait(&cx->env, op, &rows) != RES_OK)
		return (RES_ERR);
	*there = db_count(rows) > 0;
	if (!*there)
		return (RES_OK);
	key_map(rows, &p->key);
	if (!whole)
		return (RES_OK);
	p->version = db_col_int4(rows, 0, 2);
	p->identity.data = db_col_bytes(rows, 0, 3, &p->identity.len);
	p->clinical.data = db_col_bytes(rows, 0, 4, &p->clinical.len);

	return (RES_OK);
}

co_fn enum res
predict_db_latest(struct ctx *cx, const struct uuid *patient,
    struct db_array *codes, struct db_array *before, int32_t per_code,
    struct db_op **op)
{
	struct db_args a;

	object_args(cx, &a, patient);
	db_array_bind(&a, codes);
	db_array_bind(&a, before);
	db_int4(&a, per_code);

	return (db_start(&cx->env, &predict_latest, &a, op));
}

void
predict_db_latest_map(
    const struct db_rows *rows, int row, struct observation_record *o)
{
	size_t len;

	db_col_uuid(rows, row, 0, &o->id);
	o->code_index = db_col_bytes(rows, row, 1, &len);
	if (len != CODE_INDEX)
		o->code_index = NULL;
	o->payload.data = db_col_bytes(rows, row, 2, &o->payload.len);
}

co_fn enum res
predict_db_create(struct ctx *cx, const struct audit_event *event,
    struct prediction *p, const struct ciphertext *payload)
{
	struct db_args a;
	struct db_rows *rows;

	db_args(&a, &cx->env);
	audit_bind(&a, event);
	actor_args(cx, &a);
	db_uuid(&a, &p->id);
	db_uuid(&a, &p->patient);
	db_text(&a, p->model_name);
	db_text(&a, p->model_version);
	db_text(&a, p->model_digest);
	db_text(&a, p->schema_digest);
	db_text(&a, p->engine);
	db_bytes(&a, payload->data, payload->len);
	db_uuid(&a, &p->audit_event);
	if (db_exec(&cx->env, &prediction_insert, &a, &rows) != RES_OK)
		return (RES_ERR);
	p->created_us = db_col_time(rows, 0, 0);

	return (RES_OK);
}

co_fn enum res
predict_db_get(struct ctx *cx, const struct uuid *id, struct db_op **op)
{
	struct db_args a;

	object_args(cx, &a, id);

	return (db_start(&cx->env, &prediction_one, &a, op));
}

static void
prediction_map(const struct db_rows *rows, struct prediction *p,
    struct ciphertext *payload)
{
	db_col_uuid(rows, 0, 2, &p->id);
	db_col_uuid(rows, 0, 3, &p->patient);
	p->model_name = db_col_text(rows, 0, 4);
	p->model_version = db_col_text(rows, 0, 5);
	p->model_digest = db_col_text(rows, 0, 6);
	p->schema_digest = db_col_text(rows, 0, 7);
	p->engine = db_col_text(rows, 0, 8);
	payload->data = db_col_bytes(rows, 0, 9, &payload->len);
	db_col_uuid(rows, 0, 10, &p->audit_event);
	p->created_us = db_col_time(rows, 0, 11);
}

co_fn enum res
predict_db_get_wait(struct ctx *cx, struct db_op *op, struct prediction *p,
    struct ciphertext *payload, struct wrapped_key *key, bool *there)
{
	struct db_rows *rows;

	if (db_wait(&cx->env, op, &rows) != RES_OK)
		return (RES_ERR);
	*there = db_count(rows) > 0;
	if (*there) {
		key_map(rows, key);
		prediction_map(rows, p, payload);
	}

	return (RES_OK);
}
