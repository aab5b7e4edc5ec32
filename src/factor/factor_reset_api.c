/*
 * DELETE /v1/users/{user_id}/factors: an administrator takes every second
 * factor off the account of somebody who has lost hers. It says nothing of who
 * asked for it: see docs/identity.md for how to be sure of that. Her sessions
 * end, for whoever has the lost factor may have one; her password stays.
 */
#include "audit/audit.h"
#include "factor/factor_priv.h"
#include "obs/obs.h"

static co_fn enum res
forbidden(struct ctx *cx, const struct uuid *id, const char *why)
{
	struct audit_event ev;

	audit_event(cx, &ev, AUDIT_DENIED);
	audit_object(&ev, "user", id);
	ev.detail = audit_detail(cx, PROBLEM_FORBIDDEN);
	if (audit_append(cx, &ev) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_AUTH_DENIED, 1);
	return (err_fail(&cx->env.err, PROBLEM_FORBIDDEN, "%s", why));
}

static co_fn enum res
refused(struct ctx *cx, const struct uuid *id)
{
	if (!audit_refused(cx, "EL403"))
		return (audit_db_failed(cx, "user", id));
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err, PROBLEM_FORBIDDEN,
	    "Your account may not do this any more.");
	return (audit_failed(cx, "user", id));
}

static co_fn enum res
reset(struct ctx *cx, const struct auth_user *user)
{
	struct audit_event ev;
	struct db_tx *tx;
	enum res res;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "user", &user->id);
	ev.detail = arena_printf(cx->env.arena, "{\"totp\":%s,\"passkeys\":%d}",
	    user->totp ? "true" : "false", user->passkeys);
	if (factor_change_begin(cx, &tx) != RES_OK)
		return (RES_ERR);
	res = factor_db_reset(cx, &ev, &user->id);
	return (factor_change_end(cx, tx, res, user, MAIL_FACTOR_REMOVED,
	    "all second factors, by an administrator"));
}

co_fn enum res
auth_factors_reset(struct ctx *cx)
{
	const struct uuid *id = ctx_param(cx, "user_id");
	struct auth_user user;

	if (uuid_equal(id, &cx->who->user_id))
		return (forbidden(cx, id,
		    "Nobody resets her own factors: another administrator "
		    "does."));
	if (auth_db_by_id(cx, id, &user) != RES_OK)
		return (RES_ERR);
	if (!user.found || user.deleted)
		return (audit_denied(cx, "user", id));
	/* Of those who may more neither: as with every change of an account. */
	if (user.role == cx->who->role && (user.scopes & ~cx->who->scopes) != 0)
		return (forbidden(cx, id,
		    "The account has more scopes of your role than you "
		    "have."));
	if (reset(cx, &user) != RES_OK)
		return (refused(cx, id));
	if (user_end(cx, id, "") != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 204);
	return (RES_OK);
}
