/*
 * What may be done with patients, each step with its audit row: in the same
 * statement for a change, in flight together with the SELECT for a read of
 * one, and after the SELECT for a list, whose row names all who are in it.
 */
#include "records/records_priv.h"

static void
event_of(struct ctx *cx, struct audit_event *event, const struct patient *p)
{
	audit_event(cx, event, AUDIT_ALLOWED);
	audit_object(event, "patient", &p->id);
	event->detail =
	    arena_printf(cx->env.arena, "{\"version\":%d}", p->version);
}

/* object NULL: the patient was not made. */
static co_fn enum res
mrn_taken(struct ctx *cx, const struct uuid *object)
{
	struct err *err = &cx->env.err;

	err_clear(err);
	err_field(err, cx->env.arena, "/mrn", "conflict",
	    "is the record number of another patient");
	(void)err_fail(err, PROBLEM_CONFLICT, "Another patient has this mrn.");

	return (audit_failed(cx, "patient", object));
}

static co_fn enum res
create_failed(struct ctx *cx)
{
	struct audit_event event;

	if (audit_refused(cx, "23505"))
		return (mrn_taken(cx, NULL));
	if (!audit_refused(cx, "EL403"))
		return (audit_db_failed(cx, "patient", NULL));

	/* Disabled, or of another role, since the session began. */
	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_DENIED);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);

	return (err_fail(&cx->env.err, PROBLEM_FORBIDDEN,
	    "Your account may not create patients any more."));
}

co_fn enum res
patient_create(struct ctx *cx, struct patient *p)
{
	struct data_key *key = arena_alloc(cx->env.arena, sizeof(*key));
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct wrapped_key stored = { 0, wrapped, sizeof(wrapped) };
	struct sealed identity, clinical;
	struct audit_event event;

	uuid_v7(&p->id);
	p->version = 1;
	vault_new_key(&p->id, key, wrapped);
	stored.version = key->version;
	patient_seal(cx->env.arena, key, p, &identity, &clinical);
	cx->patient_key = key;
	event_of(cx, &event, p);
	if (patient_db_create(cx, &event, p, &identity, &clinical, &stored) !=
	    RES_OK)
		return (create_failed(cx));
	vault_cache_put(key);
	birth_note(p);

	return (RES_OK);
}

/* One row of the SELECT, opened; key: the one that opened it. */
static co_fn enum res
open_row(struct ctx *cx, const struct db_rows *rows, int row,
    const struct data_key **key, struct patient *p)
{
	struct patient_row sealed;

	patient_row_map(rows, row, &sealed);
	if ((*key = audit_open_key(cx, &sealed.id, &sealed.key)) == NULL)
		return (RES_ERR);
	if (patient_open(cx->env.arena, *key, &sealed, p) != RES_OK)
		return (audit_broken(cx, "patient", &sealed.id));
	birth_note(p);

	return (RES_OK);
}

co_fn enum res
patient_read(struct ctx *cx, const struct uuid *id, struct patient *p)
{
	struct access_query q = { .stmt = patient_get_stmt };
	const struct data_key *key;
	struct audit_event event;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, "patient", id);
	patient_args(cx, &q.args, id);
	if (access_read(cx, &event, &q, 1) != RES_OK)
		return (RES_ERR);
	if (db_count(q.rows) == 0)
		return (audit_denied(cx, "patient", id));

	return (open_row(cx, q.rows, 0, &key, p));
}

/* {"patients": [...]}: all on the page, without the one that is looked at
 * only to know whether another page follows. */
static const char *
list_detail(struct ctx *cx, const struct patient *p, int n)
{
	struct json_out *out;
	const char *text;
	size_t len;

	out = json_out_new(cx->env.arena);
	json_obj(out);
	json_key(out, "patients");
	json_arr(out);
	for (int i = 0; i < n; i++)
		json_uuid(out, &p[i].id);
	json_arr_end(out);
	json_obj_end(out);
	json_finish(out, &text, &len);

	return (text);
}

co_fn enum res
patient_list(struct ctx *cx, const struct page *page, const char *mrn,
    struct patient **list, int *n)
{
	const struct data_key *key;
	struct audit_event event;
	struct db_rows *rows;
	int shown;

	if (patient_db_list(cx, page, patient_mrn_index(cx->env.arena, mrn),
		&rows) != RES_OK)
		return (audit_db_failed(cx, "patient", NULL));
	*n = db_count(rows);
	shown = *n > page->limit ? page->limit : *n;
	*list = arena_alloc(cx->env.arena, (size_t)(*n + 1) * sizeof(**list));
	for (int i = 0; i < shown; i++)
		if (open_row(cx, rows, i, &key, &(*list)[i]) != RES_OK)
			return (RES_ERR);
	audit_event(cx, &event, AUDIT_ALLOWED);
	event.detail = list_detail(cx, *list, shown);

	return (audit_append(cx, &event));
}

static co_fn enum res
version_differs(struct ctx *cx, const struct uuid *id, bool conditional)
{
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err,
	    conditional ? PROBLEM_PRECONDITION_FAILED : PROBLEM_CONFLICT,
	    conditional ? "The patient has another version than If-Match." :
			  "Someone else changed the patient meanwhile.");

	return (audit_failed(cx, "patient", id));
}

/* Under the next version's seal. */
static co_fn enum res
store_change(struct ctx *cx, const struct data_key *key, struct patient *p,
    bool conditional)
{
	struct sealed identity, clinical;
	struct audit_event event;

	p->version++;
	patient_seal(cx->env.arena, key, p, &identity, &clinical);
	event_of(cx, &event, p);
	if (patient_db_update(cx, &event, p, &identity, &clinical) == RES_OK) {
		birth_note(p);
		return (RES_OK);
	}
	if (audit_refused(cx, "EL412"))
		return (version_differs(cx, &p->id, conditional));
	if (audit_refused(cx, "23505"))
		return (mrn_taken(cx, &p->id));

	return (audit_db_failed(cx, "patient", &p->id));
}

/*
 * Two round trips: the sealed fields can only be merged here. A patch that
 * changes nothing makes no new version, but is in the audit log.
 */
co_fn enum res
patient_update(struct ctx *cx, const struct uuid *id, const struct jval *patch,
    const char *condition, struct patient *p)
{
	const struct data_key *key;
	struct audit_event event;
	struct db_args a;
	struct db_rows *rows;

	patient_args(cx, &a, id);
	if (db_exec(&cx->env, patient_get_stmt, &a, &rows) != RES_OK)
		return (audit_db_failed(cx, "patient", id));
	if (db_count(rows) == 0)
		return (audit_denied(cx, "patient", id));
	if (open_row(cx, rows, 0, &key, p) != RES_OK)
		return (RES_ERR);
	if (if_match(condition, p->version) != IF_MATCH_YES)
		return (version_differs(cx, id, true));
	if (patient_merge(p, patch))
		return (store_change(cx, key, p, condition != NULL));
	event_of(cx, &event, p);

	return (audit_append(cx, &event));
}
