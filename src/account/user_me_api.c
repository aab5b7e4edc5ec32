/*
 * PATCH /v1/me: one's own name. It decides about nothing, so that no session
 * ends: this one knows the new name at once, others of the user from their
 * next log-in on.
 */
#include <string.h>

#include "account/account_priv.h"
#include "audit/audit.h"

static co_fn enum res
rename_me(struct ctx *cx, const char *name)
{
	struct principal *who =
	    arena_memdup(cx->env.arena, cx->who, sizeof(*who));
	struct audit_event event;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, "user", &who->user_id);
	if (name == NULL || strcmp(name, who->name) == 0)
		return (audit_append(cx, &event));
	if (user_db_rename(cx, &event, name) != RES_OK)
		return (audit_db_failed(cx, "user", &who->user_id));
	who->name = name;
	cx->who = who;
	return (session_update(cx, who));
}

co_fn enum res
auth_me_update(struct ctx *cx)
{
	const char *name = json_get_str(cx->body, "name");

	user_check_name(cx, name);
	if (user_mistakes(cx) != RES_OK || rename_me(cx, name) != RES_OK)
		return (RES_ERR);
	return (auth_me(cx));
}
