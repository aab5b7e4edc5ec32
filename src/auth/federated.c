/*
 * What the areas above need of accounts and sessions when somebody else has
 * checked who it is: an account by id or e-mail, a browser's session for it,
 * and the end of those that began so. A session keeps its provider and the
 * provider's name for it through every change of its token, so what is to end
 * is found among the user's own.
 */
#include <string.h>

#include <sodium.h>

#include "auth/auth_priv.h"

static void
account_of(const struct auth_user *user, struct account *out)
{
	*out = (struct account){ .id = user->id,
		.email = user->email,
		.name = user->name,
		.role = user->role,
		.found = user->found,
		.usable = user->found && !user->disabled && !user->deleted &&
			  user->role != ROLE_UNSET };
}

co_fn enum res
account_by_id(struct ctx *cx, const struct uuid *id, struct account *out)
{
	struct auth_user user;

	if (auth_db_by_id(cx, id, &user) != RES_OK)
		return (RES_ERR);
	account_of(&user, out);
	return (RES_OK);
}

co_fn enum res
account_by_email(struct ctx *cx, const char *email, struct account *out)
{
	const char *name = account_name(cx->env.arena, email);
	struct auth_user user;

	if (auth_db_by_email(cx, name, &user) != RES_OK)
		return (RES_ERR);
	/* PostgreSQL's lower() also makes ASCII letters of others. */
	if (user.found &&
	    strcmp(account_name(cx->env.arena, user.email), name) != 0)
		user.found = false;
	account_of(&user, out);
	return (RES_OK);
}

co_fn enum res
login_federated(
    struct ctx *cx, const struct federated *f, struct principal *who)
{
	struct session_new session;
	struct login l = { .amr = f->amr,
		.cookie = true,
		.provider = f->provider,
		.provider_sid = f->sid,
		.proved_us = f->proved_us };

	if (auth_db_by_id(cx, &f->user_id, &l.user) != RES_OK)
		return (RES_ERR);
	if (!l.user.found || l.user.disabled || l.user.role == ROLE_UNSET)
		return (attempt_refused(cx, &l.user, NULL));
	if (login_session(cx, &l, who, &session) != RES_OK)
		return (RES_ERR);
	session_cookie_set(cx, &session);
	sodium_memzero(&session, sizeof(session));
	return (RES_OK);
}

co_fn enum res
session_lives(struct ctx *cx, const struct uuid *user,
    const struct uuid *session, bool *lives)
{
	struct session_seen *s;
	int n;

	*lives = false;
	if (session_list(cx, user, &s, &n) != RES_OK)
		return (RES_ERR);
	for (int i = 0; i < n; i++)
		*lives |= uuid_equal(&s[i].who.session_id, session) &&
			  s[i].who.stage == STAGE_FULL;
	return (RES_OK);
}

co_fn enum res
sessions_end_federated(struct ctx *cx, const struct uuid *user,
    const char *provider, const char *sid, unsigned *ended)
{
	struct session_seen *s;
	int n;

	*ended = 0;
	if (session_list(cx, user, &s, &n) != RES_OK)
		return (RES_ERR);
	for (int i = 0; i < n; i++) {
		if (strcmp(s[i].who.provider, provider) != 0 ||
		    (sid != NULL && strcmp(s[i].who.provider_sid, sid) != 0))
			continue;
		if (cx->who != NULL &&
		    uuid_equal(&s[i].who.session_id, &cx->who->session_id))
			continue;
		if (session_end(cx, NULL, &s[i].who) != RES_OK)
			return (RES_ERR);
		++*ended;
	}
	return (RES_OK);
}
