/*
 * How changes of accounts end badly: each refusal is in the audit log before
 * its problem leaves the server.
 */
#include "account/account_priv.h"
#include "audit/audit.h"
#include "obs/obs.h"

#define OBJECT "user"

co_fn enum res
user_forbidden(struct ctx *cx, const struct uuid *id, const char *why)
{
	struct audit_event event;

	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_DENIED);
	if (id != NULL)
		audit_object(&event, OBJECT, id);
	event.detail = audit_detail(cx, PROBLEM_FORBIDDEN);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_AUTH_DENIED, 1);
	return (err_fail(&cx->env.err, PROBLEM_FORBIDDEN, "%s", why));
}

co_fn enum res
user_conflict(struct ctx *cx, const struct uuid *id, enum problem problem,
    const char *why)
{
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err, problem, "%s", why);
	return (audit_failed(cx, OBJECT, id));
}

co_fn enum res
user_not_found(struct ctx *cx, const struct uuid *id)
{
	/* Another problem: the refusal could not be recorded. */
	if (audit_denied(cx, OBJECT, id) == RES_OK ||
	    cx->env.err.problem != PROBLEM_NOT_FOUND)
		return (RES_ERR);
	err_clear(&cx->env.err);
	return (err_fail(&cx->env.err, PROBLEM_NOT_FOUND,
	    "There is no such account, or it is deleted."));
}

co_fn enum res
user_refused(
    struct ctx *cx, const struct uuid *id, bool conditional, const char *state)
{
	if (audit_refused(cx, "EL403"))
		return (user_forbidden(
		    cx, id, "Your account may not make this change."));
	if (audit_refused(cx, "EL404"))
		return (user_not_found(cx, id));
	if (audit_refused(cx, "EL409"))
		return (user_conflict(cx, id, PROBLEM_CONFLICT, state));
	if (audit_refused(cx, "EL412"))
		return (conditional ?
			    user_conflict(cx, id, PROBLEM_PRECONDITION_FAILED,
				"The account has another version than "
				"If-Match.") :
			    user_conflict(cx, id, PROBLEM_CONFLICT,
				"Someone else changed the account "
				"meanwhile."));
	if (audit_refused(cx, "23505"))
		return (user_conflict(cx, id, PROBLEM_CONFLICT,
		    "There is an account with this e-mail address already."));
	return (audit_db_failed(cx, OBJECT, id));
}
