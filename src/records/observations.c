/*
 * What may be done with a patient's observations, each with its audit row.
 * Reads start the query for the patient's key next to their own: it also
 * tells a patient without observations from one who is not to be seen.
 */
#include <string.h>

#include "records/records_priv.h"

static void
event_of(struct ctx *cx, struct audit_event *event, const struct uuid *patient,
    const struct uuid *id)
{
	cx->patient_id = *patient;
	audit_event(cx, event, AUDIT_ALLOWED);
	audit_object(event, "observation", id);
}

/* One row of the patient by this statement; RES_ERR: the request has failed
 * and that is in the audit log. */
static co_fn enum res
one_row(struct ctx *cx, struct db_stmt *stmt, const struct uuid *patient,
    struct db_rows **rows)
{
	struct db_args a;

	patient_args(cx, &a, patient);
	if (db_exec(&cx->env, stmt, &a, rows) != RES_OK)
		return (audit_db_failed(cx, "patient", patient));
	if (db_count(*rows) == 0)
		return (audit_denied(cx, "patient", patient));

	return (RES_OK);
}

static co_fn const struct data_key *
read_key(struct ctx *cx, const struct uuid *patient)
{
	struct wrapped_key wrapped;
	struct db_rows *rows;

	if (one_row(cx, patient_key_stmt, patient, &rows) != RES_OK)
		return (NULL);
	patient_key_map(rows, 0, &wrapped);

	return (audit_open_key(cx, patient, &wrapped));
}

/* "failed": the answer is drawn from the patient's record. */
static co_fn enum res
before_birth(struct ctx *cx, const struct uuid *patient)
{
	struct err *err = &cx->env.err;

	err_field(err, cx->env.arena, "/effective_at", "min",
	    "must not be before the patient's birth date");
	(void)err_fail(err, PROBLEM_VALIDATION, "1 mistake: see errors");

	return (audit_failed(cx, "patient", patient));
}

static co_fn const struct data_key *
read_key_and_birth(struct ctx *cx, const struct observation *o)
{
	const struct data_key *key;
	struct patient_row row;
	struct db_rows *rows;
	struct patient p;

	if (one_row(cx, patient_get_stmt, &o->patient, &rows) != RES_OK)
		return (NULL);
	patient_row_map(rows, 0, &row);
	if ((key = audit_open_key(cx, &o->patient, &row.key)) == NULL)
		return (NULL);
	if (patient_open(cx->env.arena, key, &row, &p) != RES_OK) {
		(void)audit_broken(cx, "patient", &o->patient);
		return (NULL);
	}
	birth_note(&p);
	if (!birth_before(&p, o->effective_us)) {
		(void)before_birth(cx, &o->patient);
		return (NULL);
	}

	return (key);
}

/* Nobody who exists is born after now. NULL: the request has failed and that
 * is in the audit log. */
static co_fn const struct data_key *
key_for_write(struct ctx *cx, const struct observation *o)
{
	struct data_key *key = arena_alloc(cx->env.arena, sizeof(*key));
	bool past = o->effective_us < cx->now_us;

	/* Whether the actor may still see the patient says the INSERT. */
	if (vault_cache_get(&o->patient, key) &&
	    (!past || birth_noted_before(&o->patient, o->effective_us)))
		return (key);
	if (!past)
		return (read_key(cx, &o->patient));

	return (read_key_and_birth(cx, o));
}

co_fn enum res
observation_create(struct ctx *cx, struct observation *o)
{
	uint8_t code_index[CODE_INDEX_BYTES];
	const struct data_key *key;
	struct audit_event event;
	struct sealed payload;

	if ((key = key_for_write(cx, o)) == NULL)
		return (RES_ERR);
	cx->patient_key = key;
	uuid_v7(&o->id);
	observation_code_index(cx->env.arena, key, o->code, code_index);
	observation_seal(cx->env.arena, key, o, &payload);
	event_of(cx, &event, &o->patient, &o->id);
	if (observation_db_create(cx, &event, o, code_index, &payload) ==
	    RES_OK)
		return (RES_OK);

	return (audit_db_failed(cx, "patient", &o->patient));
}

static co_fn enum res
open_row(struct ctx *cx, const struct data_key *key, const struct db_rows *rows,
    int row, const struct uuid *patient, struct observation *o)
{
	struct observation_row sealed;

	memset(o, 0, sizeof(*o));
	o->patient = *patient;
	observation_row_map(rows, row, &sealed);
	if (observation_open(cx->env.arena, key, &sealed, o) != RES_OK)
		return (audit_broken(cx, "observation", &sealed.id));

	return (RES_OK);
}

/* The event's row, the patient's key and q[1], all in flight at once. */
static co_fn enum res
read_with_key(struct ctx *cx, const struct audit_event *event,
    const struct uuid *patient, struct access_query q[2],
    const struct data_key **key)
{
	struct wrapped_key wrapped;

	q[0].stmt = patient_key_stmt;
	patient_args(cx, &q[0].args, patient);
	if (access_read(cx, event, q, 2) != RES_OK)
		return (RES_ERR);
	if (db_count(q[0].rows) == 0)
		return (
		    audit_denied(cx, event->object_type, &event->object_id));
	patient_key_map(q[0].rows, 0, &wrapped);
	*key = audit_open_key(cx, patient, &wrapped);

	return (*key != NULL ? RES_OK : RES_ERR);
}

co_fn enum res
observation_read(struct ctx *cx, const struct uuid *patient,
    const struct uuid *id, struct observation *o)
{
	struct access_query q[2] = { [1] = { .stmt = observation_get_stmt } };
	const struct data_key *key;
	struct audit_event event;

	event_of(cx, &event, patient, id);
	observation_get_args(cx, &q[1].args, patient, id);
	if (read_with_key(cx, &event, patient, q, &key) != RES_OK)
		return (RES_ERR);
	if (db_count(q[1].rows) == 0)
		return (audit_denied(cx, "observation", id));

	return (open_row(cx, key, q[1].rows, 0, patient, o));
}

co_fn enum res
observation_list(struct ctx *cx, const struct uuid *patient,
    const struct page *page, struct observation **list, int *n)
{
	struct access_query q[2] = { [1] = { .stmt = observation_list_stmt } };
	const struct data_key *key;
	struct audit_event event;
	int shown;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, "patient", patient);
	observation_list_args(cx, &q[1].args, patient, page);
	if (read_with_key(cx, &event, patient, q, &key) != RES_OK)
		return (RES_ERR);
	*n = db_count(q[1].rows);
	shown = *n > page->limit ? page->limit : *n;
	*list =
	    arena_alloc(cx->env.arena, (size_t)(shown + 1) * sizeof(**list));
	for (int i = 0; i < shown; i++)
		if (open_row(cx, key, q[1].rows, i, patient, &(*list)[i]) !=
		    RES_OK)
			return (RES_ERR);

	return (RES_OK);
}
