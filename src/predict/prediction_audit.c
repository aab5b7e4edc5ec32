/*
 * The ways a prediction, or the reading of one, ends badly: each leaves a
 * durable row in the audit log before its problem leaves the server.
 */
#include <string.h>

#include "obs/obs.h"
#include "predict/prediction.h"

co_fn enum res
prediction_denied(struct ctx *cx, const char *type, const struct uuid *id)
{
	struct audit_event event;

	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_DENIED);
	audit_object(&event, type, id);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);

	return (err_fail(&cx->env.err, PROBLEM_NOT_FOUND,
	    "It does not exist, or it is not in your care."));
}

co_fn enum res
prediction_failed(struct ctx *cx, const char *type, const struct uuid *id)
{
	struct err why = cx->env.err;
	struct audit_event event;

	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_FAILED);
	audit_object(&event, type, id);
	event.detail = arena_printf(cx->env.arena, "{\"problem\":\"%s\"}",
	    problem_row(why.problem)->slug);
	if (audit_append(cx, &event) == RES_OK)
		cx->env.err = why;

	return (RES_ERR);
}

co_fn enum res
prediction_broken(struct ctx *cx, const char *type, const struct uuid *id)
{
	char request[UUID_STRLEN + 1];

	/* Which one it is says the audit row of this request, not the log. */
	uuid_format(&cx->request_id, request);
	log_event(LOG_LEVEL_ERROR, "predict.unseal",
	    "a %s or its key does not open: see the audit row of request %s",
	    type, request);
	err_clear(&cx->env.err);
	err_private(&cx->env.err, "a %s or its key does not open", type);
	(void)err_fail(
	    &cx->env.err, PROBLEM_INTERNAL, "The record could not be read.");

	return (prediction_failed(cx, type, id));
}

co_fn enum res
prediction_db_failed(struct ctx *cx, const char *type, const struct uuid *id)
{
	const struct err *err = &cx->env.err;

	if (err->problem == PROBLEM_UNAVAILABLE)
		return (RES_ERR);
	if (err->problem == PROBLEM_INTERNAL &&
	    strcmp(db_sqlstate(&cx->env), "EL404") == 0)
		return (prediction_denied(cx, type, id));

	return (prediction_failed(cx, type, id));
}
