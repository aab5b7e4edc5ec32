/*
 * Reviewing emergencies: the list, one with its reason, and the verdict, each
 * with its audit row. The reviewer is not in care and sees nothing else of the
 * record.
 */
#include "records/records_priv.h"

#define OBJECT "break_glass"

co_fn enum res
break_glass_list(struct ctx *cx, const char *state, const struct page *page,
    struct glass **list, int *n)
{
	struct audit_ticket *ticket;
	struct audit_event event;
	struct db_rows *rows;
	struct db_op *op;

	audit_event(cx, &event, AUDIT_ALLOWED);
	if (audit_start(cx, &event, &ticket) != RES_OK ||
	    break_glass_db_list_start(cx, state, page, &op) != RES_OK ||
	    audit_wait(cx, ticket) != RES_OK)
		return (RES_ERR);
	if (db_wait(&cx->env, op, &rows) != RES_OK)
		return (audit_db_failed(cx, OBJECT, NULL));
	*n = db_count(rows);
	*list = arena_alloc(cx->env.arena, (size_t)(*n + 1) * sizeof(**list));
	for (int i = 0; i < *n; i++)
		break_glass_map(rows, i, &(*list)[i]);

	return (RES_OK);
}

/* The key of a patient who is not erased; *key NULL: she is. */
static co_fn enum res
key_of(struct ctx *cx, const struct glass_row *row, const struct data_key **key)
{
	*key = NULL;
	if (row->key.wrapped == NULL)
		return (RES_OK);
	*key = audit_open_key(cx, &row->glass.patient, &row->key);

	return (*key != NULL ? RES_OK : RES_ERR);
}

static co_fn enum res
find(struct ctx *cx, const struct uuid *id, struct glass_row *row,
    const struct data_key **key)
{
	bool found;

	if (break_glass_db_read(cx, id, row, &found) != RES_OK)
		return (audit_db_failed(cx, OBJECT, id));
	if (!found)
		return (audit_denied(cx, OBJECT, id));
	cx->patient_id = row->glass.patient;

	return (key_of(cx, row, key));
}

static co_fn enum res
open_words(struct ctx *cx, const struct data_key *key, struct glass_row *row)
{
	struct glass *g = &row->glass;

	if (key == NULL)
		return (RES_OK); /* erased, and the words with her */
	if (break_glass_unseal(cx->env.arena, key, &g->id, "reason",
		&row->reason, &g->reason) != RES_OK ||
	    break_glass_unseal(cx->env.arena, key, &g->id, "note", &row->note,
		&g->note) != RES_OK)
		return (audit_broken(cx, OBJECT, &g->id));

	return (RES_OK);
}

/* One after the other: the row is to name the patient, whom the grant tells. */
co_fn enum res
break_glass_read(struct ctx *cx, const struct uuid *id, struct glass *g)
{
	const struct data_key *key;
	struct audit_event event;
	struct glass_row row;

	if (find(cx, id, &row, &key) != RES_OK ||
	    open_words(cx, key, &row) != RES_OK)
		return (RES_ERR);
	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, id);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);
	*g = row.glass;

	return (RES_OK);
}

static co_fn enum res
review_refused(struct ctx *cx, const struct uuid *id)
{
	if (audit_refused(cx, "EL403"))
		return (access_forbidden(cx, OBJECT, id,
		    "It is your own: somebody else reviews it."));
	if (audit_refused(cx, "EL409"))
		return (access_conflict(
		    cx, OBJECT, id, "It has been reviewed already."));
	if (audit_refused(cx, "EL425"))
		return (access_conflict(cx, OBJECT, id,
		    "It is still open: review it when it is over. An "
		    "administrator can end the care it gives."));

	return (audit_db_failed(cx, OBJECT, id));
}

static void
event_of(struct ctx *cx, struct audit_event *event, const struct glass *g,
    const char *verdict)
{
	char patient[UUID_STRLEN + 1];

	uuid_format(&g->patient, patient);
	audit_event(cx, event, AUDIT_ALLOWED);
	audit_object(event, OBJECT, &g->id);
	event->detail = arena_printf(cx->env.arena,
	    "{\"patient\":\"%s\",\"verdict\":\"%s\"}", patient, verdict);
}

co_fn enum res
break_glass_review(struct ctx *cx, const struct uuid *id, const char *verdict,
    const char *note, struct glass *g)
{
	struct sealed sealed = { .data = NULL };
	const struct data_key *key;
	struct audit_event event;
	struct glass_row row;

	if (find(cx, id, &row, &key) != RES_OK)
		return (RES_ERR);
	if (note != NULL && key == NULL)
		return (access_conflict(cx, OBJECT, id,
		    "The patient was erased: review it without a note."));
	if (note != NULL)
		break_glass_seal(cx->env.arena, key, id, "note", note, &sealed);
	event_of(cx, &event, &row.glass, verdict);
	if (break_glass_db_review(cx, &event, id, verdict, &sealed,
		&row.glass.reviewed_us) != RES_OK)
		return (review_refused(cx, id));
	*g = row.glass;
	g->state = "reviewed";
	g->verdict = verdict;
	g->reviewed_by = cx->who->user_id;

	return (RES_OK);
}
