/*
 * Every access to a record leaves a durable row in the audit log before its
 * outcome leaves the server, whatever the outcome is. The functions here are
 * the only ways out of records/ for an access that does not succeed.
 */
#include <string.h>

#include "obs/obs.h"
#include "records/records_priv.h"

void
access_args(struct ctx *cx, struct db_args *a)
{
	db_args(a, &cx->env);
	db_uuid(a, &cx->who->user_id);
	db_text(a, role_name(cx->who->role));
}

bool
access_refused(const struct ctx *cx, const char *sqlstate)
{
	/* Another problem did not come from a statement. */
	return (cx->env.err.problem == PROBLEM_INTERNAL &&
		strcmp(db_sqlstate(&cx->env), sqlstate) == 0);
}

co_fn enum res
access_read(struct ctx *cx, const struct audit_event *event,
    struct access_query *q, unsigned n)
{
	struct audit_ticket *ticket;
	enum res rc = RES_OK;

	if (audit_start(cx, event, &ticket) != RES_OK)
		return (RES_ERR);
	for (unsigned i = 0; i < n && rc == RES_OK; i++)
		rc = db_start(&cx->env, q[i].stmt, &q[i].args, &q[i].op);
	/* Always waited for: the row may be on its way already. */
	if (audit_wait(cx, ticket) != RES_OK)
		return (RES_ERR);
	for (unsigned i = 0; i < n && rc == RES_OK; i++)
		rc = db_wait(&cx->env, q[i].op, &q[i].rows);
	if (rc == RES_OK)
		return (RES_OK);

	return (access_failed(cx, event->object_type, &event->object_id));
}

co_fn const struct data_key *
access_key(struct ctx *cx, const struct uuid *patient,
    const struct wrapped_key *wrapped)
{
	/* The arena is wiped when the request ends; a stack is not. */
	struct data_key *key = arena_alloc(cx->env.arena, sizeof(*key));

	if (vault_cache_get(patient, key) && key->version == wrapped->version)
		return (key);
	if (vault_unwrap(patient, wrapped->version, wrapped->wrapped,
		wrapped->len, key) != RES_OK) {
		(void)access_broken(cx, "patient", patient);
		return (NULL);
	}
	vault_cache_put(key);

	return (key);
}

static void
name_object(struct audit_event *event, const char *type, const struct uuid *id)
{
	if (id != NULL && !uuid_is_nil(id))
		audit_object(event, type, id);
}

co_fn enum res
access_denied(struct ctx *cx, const char *type, const struct uuid *id)
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
access_failed(struct ctx *cx, const char *type, const struct uuid *id)
{
	struct err why = cx->env.err;
	struct audit_event event;

	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_FAILED);
	name_object(&event, type, id);
	event.detail = arena_printf(cx->env.arena, "{\"problem\":\"%s\"}",
	    problem_row(why.problem)->slug);
	if (audit_append(cx, &event) == RES_OK)
		cx->env.err = why;

	return (RES_ERR);
}

co_fn enum res
access_broken(struct ctx *cx, const char *type, const struct uuid *id)
{
	char request[UUID_STRLEN + 1];

	/* Which one it is says the audit row of this request, not the log. */
	uuid_format(&cx->request_id, request);
	log_event(LOG_LEVEL_ERROR, "records.unseal",
	    "a %s or its key does not open: see the audit row of request %s",
	    type, request);
	err_clear(&cx->env.err);
	err_private(&cx->env.err, "a %s or its key does not open", type);
	(void)err_fail(
	    &cx->env.err, PROBLEM_INTERNAL, "The record could not be read.");

	return (access_failed(cx, type, id));
}

co_fn enum res
access_db_failed(struct ctx *cx, const char *type, const struct uuid *id)
{
	if (access_refused(cx, "EL404"))
		return (access_denied(cx, type, id));
	if (cx->env.err.problem == PROBLEM_UNAVAILABLE)
		return (RES_ERR);

	return (access_failed(cx, type, id));
}
