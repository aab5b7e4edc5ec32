/*
 * Ending sessions before their time: one, all others, all of a user, all there
 * are. PostgreSQL takes the end with its audit row in one statement; then Redis
 * forgets the session, and it is over with the next request everywhere. If
 * Redis does not take it, the reply waits until every worker has read the end
 * from PostgreSQL: there is nothing to do again.
 */
#include "audit/audit.h"
#include "auth/auth_priv.h"
#include "obs/obs.h"

/* What Redis did with it; the end is made either way. */
static co_fn void
after(struct ctx *cx, enum res res)
{
	if (res == RES_OK)
		return;
	err_clear(&cx->env.err);
	revocations_settle(cx);
}

co_fn void
sessions_forget(struct ctx *cx, const struct uuid *user)
{
	after(cx, session_drop_all(cx, user));
}

co_fn enum res
session_end(
    struct ctx *cx, const struct audit_event *ev, const struct principal *who)
{
	if (session_db_end(cx, ev, who) != RES_OK)
		return (ev == NULL ? RES_ERR :
				     audit_db_failed(
					 cx, ev->object_type, &ev->object_id));
	after(cx, session_destroy(cx, who));
	return (RES_OK);
}

/* Redis is asked twice: the name of a session tells nothing of its key. */
co_fn enum res
session_end_named(
    struct ctx *cx, const struct uuid *user, const struct uuid *session)
{
	struct audit_event ev;
	struct session_seen *s;
	int n;

	if (session_list(cx, user, &s, &n) != RES_OK)
		return (audit_failed(cx, "session", session));
	while (n > 0 && !uuid_equal(&s[n - 1].who.session_id, session))
		n--;
	if (n == 0)
		return (audit_denied(cx, "session", session));
	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "session", session);
	return (session_end(cx, &ev, &s[n - 1].who));
}

co_fn enum res
session_end_user(struct ctx *cx, const struct uuid *user)
{
	struct audit_event ev;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "user", user);
	if (session_db_end_user(cx, &ev, user) != RES_OK)
		return (audit_db_failed(cx, "user", user));
	sessions_forget(cx, user);
	return (RES_OK);
}

co_fn enum res
session_end_everybody(struct ctx *cx)
{
	struct audit_event ev;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	if (session_db_end_everybody(cx, &ev) != RES_OK)
		return (audit_db_failed(cx, NULL, NULL));
	after(cx, session_drop_everybody(cx));
	return (RES_OK);
}

/* Of one that is not ours to read nothing can be said. */
co_fn enum res
session_displaced(struct ctx *cx, struct redisReply *const *e, size_t n)
{
	struct principal who;
	struct audit_event ev;

	for (size_t i = 0; i + 2 <= n; i += 2) {
		if (session_open_stored(cx, e[i], e[i + 1], &who) != RES_OK)
			continue;
		metric_add(METRIC_SESSIONS_DISPLACED, 1);
		audit_event(cx, &ev, AUDIT_ALLOWED);
		ev.action = "session.displaced";
		audit_object(&ev, "session", &who.session_id);
		if (session_db_end(cx, &ev, &who) != RES_OK)
			return (RES_ERR);
	}
	return (RES_OK);
}
