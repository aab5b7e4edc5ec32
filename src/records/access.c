/*
 * Every access to a record leaves a durable row in the audit log before its
 * outcome leaves the server, whatever the outcome is. A reading sends both at
 * once; the ways it ends badly are those of audit_outcome.c.
 */
#include "records/records_priv.h"

void
access_args(struct ctx *cx, struct db_args *a)
{
	db_args(a, &cx->env);
	db_uuid(a, &cx->who->user_id);
	db_text(a, role_name(cx->who->role));
}

void
access_write_args(
    struct ctx *cx, struct db_args *a, const struct audit_event *event)
{
	db_args(a, &cx->env);
	audit_bind(a, event);
	db_uuid(a, &cx->who->user_id);
	db_text(a, role_name(cx->who->role));
}

co_fn enum res
access_forbidden(
    struct ctx *cx, const char *type, const struct uuid *id, const char *why)
{
	struct audit_event event;

	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_DENIED);
	audit_object(&event, type, id);
	event.detail = audit_detail(cx, PROBLEM_FORBIDDEN);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);

	return (err_fail(&cx->env.err, PROBLEM_FORBIDDEN, "%s", why));
}

co_fn enum res
access_conflict(
    struct ctx *cx, const char *type, const struct uuid *id, const char *why)
{
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err, PROBLEM_CONFLICT, "%s", why);

	return (audit_failed(cx, type, id));
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

	return (audit_failed(cx, event->object_type, &event->object_id));
}
