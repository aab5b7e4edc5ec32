/*
 * Accesses that do not succeed: each leaves a durable row in the audit log
 * before its problem leaves the server.
 */
#include <string.h>

#include "audit/audit_priv.h"
#include "obs/obs.h"

bool
audit_refused(const struct ctx *cx, const char *sqlstate)
{
	/* Another problem did not come from a statement. */
	return (cx->env.err.problem == PROBLEM_INTERNAL &&
		strcmp(db_sqlstate(&cx->env), sqlstate) == 0);
}

static void
name_object(struct audit_event *event, const char *type, const struct uuid *id)
{
	if (id != NULL && !uuid_is_nil(id))
		audit_object(event, type, id);
}

co_fn enum res
audit_denied(struct ctx *cx, const char *type, const struct uuid *id)
{
	struct audit_event event;

	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_DENIED);
	name_object(&event, type, id);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);

	return (err_fail(&cx->env.err, PROBLEM_NOT_FOUND,
	    "It does not exist, or it is not in your care."));
}

co_fn enum res
audit_failed(struct ctx *cx, const char *type, const struct uuid *id)
{
	struct err why = cx->env.err;
	struct audit_event event;

	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_FAILED);
	name_object(&event, type, id);
	event.detail = audit_detail(cx, why.problem);
	if (audit_append(cx, &event) == RES_OK)
		cx->env.err = why;

	return (RES_ERR);
}

co_fn enum res
audit_broken(struct ctx *cx, const char *type, const struct uuid *id)
{
	char request[UUID_STRLEN + 1];

	/* Which one it is says the audit row of this request, not the log. */
	uuid_format(&cx->request_id, request);
	log_event(LOG_LEVEL_ERROR, "record.unseal",
	    "a %s or its key does not open: see the audit row of request %s",
	    type, request);
	err_clear(&cx->env.err);
	err_private(&cx->env.err, "a %s or its key does not open", type);
	(void)err_fail(
	    &cx->env.err, PROBLEM_INTERNAL, "The record could not be read.");

	return (audit_failed(cx, type, id));
}

co_fn enum res
audit_db_failed(struct ctx *cx, const char *type, const struct uuid *id)
{
	if (audit_refused(cx, "EL404"))
		return (audit_denied(cx, type, id));
	if (cx->env.err.problem == PROBLEM_UNAVAILABLE)
		return (RES_ERR);

	return (audit_failed(cx, type, id));
}

co_fn const struct data_key *
audit_open_key(struct ctx *cx, const struct uuid *patient,
    const struct wrapped_key *wrapped)
{
	/* The arena is wiped when the request ends; a stack is not. */
	struct data_key *key = arena_alloc(cx->env.arena, sizeof(*key));

	if (vault_open_key(patient, wrapped, key) == RES_OK)
		return (key);
	(void)audit_broken(cx, "patient", patient);

	return (NULL);
}
