/*
 * POST /v1/auth/invitation: whoever has the link of an invitation sets the
 * account's first password with it, and is logged in as if she had typed that:
 * a role that needs a second factor leads to its set-up.
 */
#include <string.h>

#include "account/account_priv.h"
#include "audit/audit.h"
#include "obs/obs.h"

/* Uses the token up. Of two at once one gets BAD_TOKEN. */
static co_fn enum res
redeem(struct ctx *cx, const struct token_holder *holder, const char *name)
{
	struct audit_event event;

	audit_event(cx, &event, AUDIT_ALLOWED);
	event.action = "user.activate";
	event.actor_kind = "user";
	event.actor_id = holder->id;
	audit_object(&event, "user", &holder->id);
	if (user_db_token_redeem(
		cx, &event, USER_TOKEN_INVITATION, holder, name) == RES_OK)
		return (RES_OK);
	return (audit_refused(cx, "EL404") ?
		    user_token_refused(cx) :
		    audit_db_failed(cx, "user", &holder->id));
}

/* The browser is known from now on, as after any log-in. */
static co_fn enum res
log_in(struct ctx *cx, const struct token_holder *holder)
{
	const char *mode = json_get_str(cx->body, "mode");
	struct attempt *at = arena_alloc(cx->env.arena, sizeof(*at));
	struct login login = { .amr = AMR_PWD,
		.cookie = mode != NULL && strcmp(mode, "cookie") == 0,
		.attempt = at };

	if (auth_db_by_id(cx, &holder->id, &login.user) != RES_OK)
		return (RES_ERR);
	if (!login.user.found || login.user.disabled ||
	    login.user.role == ROLE_UNSET)
		return (user_token_refused(cx));
	at->account = account_name(cx->env.arena, login.user.email);
	at->user = login.user;
	at->loaded = true;
	lockout_begin(&at->lockout, LOCKOUT_PASSWORD, at->account, NULL);
	return (login_complete(cx, &login));
}

co_fn enum res
auth_invitation(struct ctx *cx)
{
	struct token_holder *holder =
	    arena_alloc(cx->env.arena, sizeof(*holder));
	const char *name = json_get_str(cx->body, "name");

	user_check_name(cx, name);
	if (user_mistakes(cx) != RES_OK ||
	    user_token_check(cx, USER_TOKEN_INVITATION, holder) != RES_OK ||
	    redeem(cx, holder, name) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_USERS_ACCEPTED, 1);
	return (log_in(cx, holder));
}
