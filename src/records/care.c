/*
 * Who cares for a patient: read, granted and ended, each with its audit row.
 * A clinician in care refers, an administrator assigns; whoever is in care by
 * breaking the glass brings in nobody. The database decides; here its answers
 * become problems.
 */
#include "records/records_priv.h"

#define OBJECT "patient"

co_fn enum res
care_read(struct ctx *cx, const struct uuid *patient, bool history,
    const struct page *page, struct care **list, int *n)
{
	struct access_query q[2] = { [0] = { .stmt = care_visible_stmt },
		[1] = { .stmt = care_list_stmt } };
	struct audit_event event;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, patient);
	patient_args(cx, &q[0].args, patient);
	care_list_args(cx, &q[1].args, patient, history, page);
	if (access_read(cx, &event, q, NELEM(q)) != RES_OK)
		return (RES_ERR);
	if (!db_col_bool(q[0].rows, 0, 0))
		return (audit_denied(cx, OBJECT, patient));
	*n = db_count(q[1].rows);
	*list = arena_alloc(cx->env.arena, (size_t)(*n + 1) * sizeof(**list));
	for (int i = 0; i < *n; i++)
		care_row_map(q[1].rows, i, &(*list)[i]);

	return (RES_OK);
}

static void
event_of(struct ctx *cx, struct audit_event *event, const struct uuid *patient,
    const struct uuid *user, const char *reason)
{
	char id[UUID_STRLEN + 1];

	uuid_format(user, id);
	audit_event(cx, event, AUDIT_ALLOWED);
	audit_object(event, OBJECT, patient);
	event->detail =
	    reason == NULL ?
		arena_printf(cx->env.arena, "{\"user\":\"%s\"}", id) :
		arena_printf(cx->env.arena,
		    "{\"user\":\"%s\",\"reason\":\"%s\"}", id, reason);
}

static co_fn enum res
mistake(struct ctx *cx, const struct uuid *patient, const char *pointer,
    const char *code, const char *text)
{
	err_clear(&cx->env.err);
	err_field(&cx->env.err, cx->env.arena, pointer, code, "%s", text);
	(void)err_fail(
	    &cx->env.err, PROBLEM_VALIDATION, "1 mistake: see errors");

	return (audit_failed(cx, OBJECT, patient));
}

static co_fn enum res
grant_refused(struct ctx *cx, const struct uuid *patient)
{
	if (audit_refused(cx, "EL403"))
		return (access_forbidden(cx, OBJECT, patient,
		    "Whoever is in care by breaking the glass, or as a "
		    "service, refers to nobody."));
	if (audit_refused(cx, "EL409"))
		return (access_conflict(cx, OBJECT, patient,
		    "This user is in the patient's care already, by somebody "
		    "else's word: whoever gave it, or an administrator, may "
		    "change it."));
	if (audit_refused(cx, "EL422"))
		return (mistake(cx, patient, "/user_id", "unknown",
		    "is not an enabled clinician or service account"));
	if (audit_refused(cx, "EL423"))
		return (mistake(cx, patient, "/until", "max",
		    "must not be after the end of your own care"));

	return (audit_db_failed(cx, OBJECT, patient));
}

co_fn enum res
care_grant(struct ctx *cx, const struct uuid *patient,
    const struct care_new *want, struct care *made)
{
	struct audit_event event;

	event_of(cx, &event, patient, &want->user, want->reason);
	if (care_db_grant(cx, &event, patient, want, made) == RES_OK)
		return (RES_OK);

	return (grant_refused(cx, patient));
}

co_fn enum res
care_end(struct ctx *cx, const struct uuid *patient, const struct uuid *user)
{
	struct audit_event event;

	event_of(cx, &event, patient, user, NULL);
	if (care_db_end(cx, &event, patient, user) == RES_OK)
		return (RES_OK);
	if (audit_refused(cx, "EL403"))
		return (access_forbidden(cx, OBJECT, patient,
		    "You may end your own care, and what you granted. The "
		    "rest is for administrators."));

	return (audit_db_failed(cx, OBJECT, patient));
}
