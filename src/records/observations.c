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

/* NULL: the request has failed and that is in the audit log. */
static co_fn const struct data_key *
key_for_write(struct ctx *cx, const struct uuid *patient)
{
	struct data_key *key = arena_alloc(cx->env.arena, sizeof(*key));
	struct wrapped_key wrapped;
	struct db_args a;
	struct db_rows *rows;

	/* Whether the actor may still see the patient says the INSERT. */
	if (vault_cache_get(patient, key))
		return (key);
	patient_args(cx, &a, patient);
	if (db_exec(&cx->env, patient_key_stmt, &a, &rows) != RES_OK) {
		(void)audit_db_failed(cx, "patient", patient);
		return (NULL);
	}
	if (db_count(rows) == 0) {
		(void)audit_denied(cx, "patient", patient);
		return (NULL);
	}
	patient_key_map(rows, 0, &wrapped);

	return (audit_open_key(cx, patient, &wrapped));
}

co_fn enum res
observation_create(struct ctx *cx, struct observation *o)
{
	uint8_t code_index[CODE_INDEX_BYTES];
	const struct data_key *key;
	struct audit_event event;
	struct sealed payload;

	if ((key = key_for_write(cx, &o->patient)) == NULL)
		return (RES_ERR);
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
