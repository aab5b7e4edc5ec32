/*
 * POST /v1/users/{user_id}/unlock: an administrator ends the back-off of an
 * account, everywhere and for both factors. It gives no access to anything:
 * whoever was guessing may go on, from the first free try.
 */
#include "account/account_priv.h"
#include "audit/audit.h"

co_fn enum res
auth_unlock(struct ctx *cx)
{
	const struct uuid *id = ctx_param(cx, "user_id");
	struct audit_event ev;
	struct auth_user user;

	if (auth_db_by_id(cx, id, &user) != RES_OK)
		return (RES_ERR);
	if (!user.found)
		return (audit_denied(cx, "user", id));
	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "user", id);
	if (audit_append(cx, &ev) != RES_OK)
		return (RES_ERR);
	if (lockout_clear(cx, account_name(cx->env.arena, user.email)) !=
	    RES_OK)
		return (audit_failed(cx, "user", id));
	reply_empty(cx, 204);
	return (RES_OK);
}
