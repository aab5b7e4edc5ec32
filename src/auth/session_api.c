/*
 * /v1/me/sessions, /v1/users/{user_id}/sessions and /v1/sessions/end: sessions
 * as those whose they are, and administrators, see and end them.
 */
#include "audit/audit.h"
#include "auth/auth_priv.h"

static const struct field listed_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "its public name" },
	{ "current", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL, NULL,
	    "it is the one that asks" },
	{ "created_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL, "log-in" },
	{ "last_seen_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL,
	    "its last request" },
	{ "expires_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL,
	    "its end in any case" },
	{ "device", FIELD_STRING, F_REQUIRED, 1, DEVICE_LABEL_MAX, NULL, NULL,
	    "by what the client said of itself: Firefox on Linux" },
	{ "network", FIELD_STRING, F_REQUIRED, 1, NETBLOCK_STRLEN, NULL, NULL,
	    "where it began: 192.0.2.0/24" },
	{ "amr", FIELD_ARRAY, F_REQUIRED, 0, 8, NULL, NULL,
	    "how it was proved who it is (RFC 8176)" },
	{ "mode", FIELD_ENUM, F_REQUIRED, 0, 0, "bearer|cookie", NULL,
	    "how the token travels" },
	{ "stage", FIELD_ENUM, F_REQUIRED, 0, 0, "full|second-factor|enrol",
	    NULL, "what the log-in still lacks; full: nothing" },
};
static const struct schema schema_listed = { "ListedSession",
	"A session, as it is listed.", listed_fields, NELEM(listed_fields) };

static const struct field list_fields[] = {
	{ "sessions", FIELD_ARRAY, F_REQUIRED, 0, SESSIONS_CAP, NULL,
	    &schema_listed, "the one that was used last comes first" },
	{ "max", FIELD_INTEGER, F_REQUIRED, 1, SESSIONS_CAP, NULL, NULL,
	    "a user has so many at most; one more ends one of them" },
};
const struct schema schema_session_list = { "SessionList", "A user's sessions.",
	list_fields, NELEM(list_fields) };

static const struct field all_fields[] = {
	{ "confirm", FIELD_ENUM, F_REQUIRED, 0, 0, "all-users", NULL,
	    "says that everybody is meant, oneself too" },
};
const struct schema schema_sessions_end_all = { "AllSessionsEnd",
	"The end of all sessions.", all_fields, NELEM(all_fields) };

static void
write_session(struct ctx *cx, struct json_out *o, const struct session_seen *s)
{
	const struct principal *who = &s->who;

	json_obj(o);
	json_kuuid(o, "id", &who->session_id);
	json_kbool(
	    o, "current", uuid_equal(&who->session_id, &cx->who->session_id));
	json_ktime(o, "created_at", who->created_us);
	json_ktime(o, "last_seen_at", s->used_us);
	json_ktime(o, "expires_at", who->expires_us);
	json_kstr(o, "device", who->device);
	json_kstr(o, "network", who->network);
	json_key(o, "amr");
	amr_write(o, who->amr);
	json_kstr(o, "mode", who->cookie ? "cookie" : "bearer");
	json_kstr(o, "stage", session_stage_name(who->stage));
	json_obj_end(o);
}

/* One more round trip to Redis than admission: the values are sealed, and what
 * admission reads is one of them. */
static co_fn enum res
list(struct ctx *cx, const struct uuid *user)
{
	struct json_out *o = json_out_new(cx->env.arena);
	struct session_seen *s;
	int n;

	if (session_list(cx, user, &s, &n) != RES_OK)
		return (RES_ERR);
	json_obj(o);
	json_key(o, "sessions");
	json_arr(o);
	for (int i = 0; i < n; i++)
		write_session(cx, o, &s[i]);
	json_arr_end(o);
	json_kint(o, "max", sessions_max());
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

co_fn enum res
sessions_mine(struct ctx *cx)
{
	return (list(cx, &cx->who->user_id));
}

co_fn enum res
sessions_end_mine(struct ctx *cx)
{
	const struct uuid *id = ctx_param(cx, "session_id");

	if (session_end_named(cx, &cx->who->user_id, id) != RES_OK)
		return (RES_ERR);
	if (cx->who->cookie && uuid_equal(id, &cx->who->session_id))
		session_cookie_clear(cx);
	reply_empty(cx, 204);
	return (RES_OK);
}

/* Somebody else has ended all of them, this one too. */
static co_fn enum res
others_not_ended(struct ctx *cx, const struct uuid *user)
{
	if (!audit_refused(cx, "EL409"))
		return (audit_db_failed(cx, "user", user));
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err, PROBLEM_UNAUTHENTICATED,
	    "The session has ended meanwhile: log in again.");
	return (audit_failed(cx, "user", user));
}

/* Whoever knows this session's token may be one of those: it gets another. */
co_fn enum res
sessions_end_others(struct ctx *cx)
{
	struct principal who = *cx->who;
	struct session_new session;
	struct audit_event ev;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "user", &who.user_id);
	if (session_db_end_others(cx, &ev, &who, &who.sessions_from_us) !=
	    RES_OK)
		return (others_not_ended(cx, &who.user_id));
	if (session_replace(cx, &who, true, &session) != RES_OK)
		return (RES_ERR);
	login_reply(cx, &who, &session);
	return (RES_OK);
}

co_fn enum res
sessions_of_user(struct ctx *cx)
{
	const struct uuid *id = ctx_param(cx, "user_id");
	struct audit_event ev;
	struct auth_user user;

	if (auth_db_by_id(cx, id, &user) != RES_OK)
		return (audit_failed(cx, "user", id));
	if (!user.found)
		return (audit_denied(cx, "user", id));
	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "user", id);
	if (audit_append(cx, &ev) != RES_OK)
		return (RES_ERR);
	return (list(cx, id));
}

co_fn enum res
sessions_end_user(struct ctx *cx)
{
	if (session_end_user(cx, ctx_param(cx, "user_id")) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 204);
	return (RES_OK);
}

co_fn enum res
sessions_end_all(struct ctx *cx)
{
	if (session_end_everybody(cx) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 204);
	return (RES_OK);
}
