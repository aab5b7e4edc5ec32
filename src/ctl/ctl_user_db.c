/*
 * Users in the database. Each change is one statement together with its
 * audit row: neither is there without the other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

/* The audit row of a change; $1 its id, $2 who ran the command. */
#define AUDITED(action, members)                                      \
	", noted AS ("                                                \
	" INSERT INTO eleusis.audit_event (id, occurred_at, action,"  \
	" outcome, actor_kind, object_type, object_id, detail)"       \
	" SELECT $1::uuid, now(), '" action "', 'allowed', 'system'," \
	" 'user', c.id, jsonb_build_object('tool', 'eleusisctl',"     \
	" 'os_uid', $2::bigint" members ") FROM changed AS c)"        \
	" SELECT count(*) FROM changed"

static const char sql_insert[] =
    "WITH changed AS ("
    " INSERT INTO eleusis.app_user AS u"
    " (id, email, name, role, password_hash, onetime)"
    " VALUES ($3::uuid, $4, $5, $6, $7, $8::boolean)"
    " RETURNING u.id, u.role, u.onetime)" AUDITED(
	"user.create", ", 'role', c.role, 'onetime', c.onetime");

static const char sql_set_password[] =
    "WITH changed AS ("
    " UPDATE eleusis.app_user AS u"
    " SET password_hash = $4, onetime = true, updated_at = now()"
    " WHERE lower(u.email) = $3 RETURNING u.id)" AUDITED(
	"user.password", ", 'onetime', true");

static const char sql_disable[] =
    "WITH changed AS ("
    " UPDATE eleusis.app_user AS u SET disabled = true, updated_at = now()"
    " WHERE lower(u.email) = $3 AND NOT u.disabled"
    " RETURNING u.id)" AUDITED("user.disable", "");

static const char sql_enable[] =
    "WITH changed AS ("
    " UPDATE eleusis.app_user AS u SET disabled = false, updated_at = now()"
    " WHERE lower(u.email) = $3 AND u.disabled"
    " RETURNING u.id)" AUDITED("user.enable", "");

static const char sql_role[] =
    "WITH changed AS ("
    " UPDATE eleusis.app_user AS u SET role = $4, updated_at = now()"
    " WHERE lower(u.email) = $3 RETURNING u.id, u.role)" AUDITED(
	"user.update", ", 'changed', 'role', 'role', c.role");

static const char sql_scopes[] =
    "WITH changed AS ("
    " UPDATE eleusis.app_user AS u"
    " SET scopes = string_to_array($4, ' '), updated_at = now()"
    " WHERE lower(u.email) = $3 RETURNING u.id, u.scopes)" AUDITED(
	"user.update",
	", 'changed', 'scopes', 'scopes', array_to_string(c.scopes, ' ')");

/* The function is volatile: it is called for each row that is found. */
static const char sql_erase[] =
    "WITH changed AS MATERIALIZED ("
    " SELECT u.id, eleusis.user_erase(u.id) FROM eleusis.app_user AS u"
    " WHERE lower(u.email) = $3 AND u.deleted_at IS NULL)" AUDITED(
	"user.delete", "");

static const char sql_find[] =
    "SELECT count(*) FROM eleusis.app_user AS u WHERE lower(u.email) = $1";

static const char sql_id[] =
    "SELECT u.id FROM eleusis.app_user AS u WHERE lower(u.email) = $1";

static const char sql_admins[] =
    "SELECT count(*) FROM eleusis.app_user AS u"
    " WHERE u.role = 'admin' AND u.deleted_at IS NULL";

static const char sql_rows[] =
    "SELECT u.email, u.name, u.role,"
    " CASE WHEN u.disabled THEN 'disabled'"
    " WHEN u.password_hash IS NULL AND u.role <> 'service'"
    " THEN 'no password'"
    " WHEN u.onetime THEN 'one-time password' ELSE 'active' END,"
    " to_char(u.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    " FROM eleusis.app_user AS u WHERE u.deleted_at IS NULL"
    " ORDER BY lower(u.email)";

/* Nothing changes in the database but the log. */
static const char sql_unlock[] =
    "WITH changed AS ("
    " SELECT u.id FROM eleusis.app_user AS u"
    " WHERE lower(u.email) = $3)" AUDITED("user.unlock", "");

/* Triggers take the factors themselves away. */
static const char sql_forget_factors[] =
    "WITH changed AS ("
    " UPDATE eleusis.app_user AS u"
    " SET factors_from = clock_timestamp(),"
    " sessions_from = clock_timestamp(), updated_at = now()"
    " WHERE lower(u.email) = $3 AND u.deleted_at IS NULL"
    " RETURNING u.id)" AUDITED("user.reset_factors", "");

static const char sql_end_sessions[] =
    "WITH changed AS ("
    " UPDATE eleusis.app_user AS u SET sessions_from = clock_timestamp()"
    " WHERE lower(u.email) = $3 RETURNING u.id)" AUDITED(
	"session.end_user", "");

/* One row for all of them. */
static const char sql_end_all_sessions[] =
    "WITH changed AS ("
    " UPDATE eleusis.app_user AS u SET sessions_from = clock_timestamp()"
    " RETURNING u.id),"
    " noted AS ("
    " INSERT INTO eleusis.audit_event (id, occurred_at, action, outcome,"
    " actor_kind, detail)"
    " VALUES ($1::uuid, now(), 'session.end_all', 'allowed', 'system',"
    " jsonb_build_object('tool', 'eleusisctl', 'os_uid', $2::bigint)))"
    " SELECT count(*) FROM changed";

/* What every change binds first. */
struct stamp {
	char id[UUID_STRLEN + 1];
	char uid[16];
};

static void
stamp(struct stamp *s)
{
	struct uuid id;

	uuid_v7(&id);
	uuid_format(&id, s->id);
	snprintf(s->uid, sizeof(s->uid), "%u", (unsigned)getuid());
}

/* Runs a statement that answers with one number. */
static enum res
number(PGconn *pg, const char *sql, int n, const char *const *params, bool *out)
{
	PGresult *res;

	res = ctl_query(pg, "user", sql, n, params);
	if (res == NULL)
		return (RES_ERR);
	*out = strcmp(PQgetvalue(res, 0, 0), "0") != 0;
	PQclear(res);

	return (RES_OK);
}

enum res
ctl_user_insert(PGconn *pg, const struct ctl_user *u)
{
	bool made, there;
	struct uuid id;
	struct stamp s;
	char user[UUID_STRLEN + 1];
	const char *const params[] = { s.id, s.uid, user, u->email, u->name,
		u->role, u->hash, u->onetime ? "true" : "false" };

	if (number(pg, sql_find, 1, &u->email, &there) != RES_OK)
		return (RES_ERR);
	if (there) {
		ctl_error("there is a user %s already", u->email);
		ctl_hint("eleusisctl user reset-password --email %s gives a "
			 "new password",
		    u->email);
		return (RES_ERR);
	}
	stamp(&s);
	uuid_v7(&id);
	uuid_format(&id, user);

	return (number(pg, sql_insert, NELEM(params), params, &made));
}

static enum res
unknown(const char *email)
{
	ctl_error("there is no user %s", email);
	ctl_hint("eleusisctl user list shows them");

	return (RES_ERR);
}

enum res
ctl_user_id(PGconn *pg, const char *email, char out[UUID_STRLEN + 1])
{
	PGresult *res;
	bool there;

	res = ctl_query(pg, "user", sql_id, 1, &email);
	if (res == NULL)
		return (RES_ERR);
	there = PQntuples(res) == 1;
	if (there)
		snprintf(out, UUID_STRLEN + 1, "%s", PQgetvalue(res, 0, 0));
	PQclear(res);

	return (there ? RES_OK : unknown(email));
}

enum res
ctl_user_set_password(PGconn *pg, const char *email, const char *hash)
{
	bool changed;
	struct stamp s;
	const char *const params[] = { s.id, s.uid, email, hash };

	stamp(&s);
	if (number(pg, sql_set_password, NELEM(params), params, &changed) !=
	    RES_OK)
		return (RES_ERR);

	return (changed ? RES_OK : unknown(email));
}

enum res
ctl_user_unlocked(PGconn *pg, const char *email)
{
	bool noted;
	struct stamp s;
	const char *const params[] = { s.id, s.uid, email };

	stamp(&s);
	if (number(pg, sql_unlock, NELEM(params), params, &noted) != RES_OK)
		return (RES_ERR);

	return (noted ? RES_OK : unknown(email));
}

enum res
ctl_user_forget_factors(PGconn *pg, const char *email)
{
	bool changed;
	struct stamp s;
	const char *const params[] = { s.id, s.uid, email };

	stamp(&s);
	if (number(pg, sql_forget_factors, NELEM(params), params, &changed) !=
	    RES_OK)
		return (RES_ERR);

	return (changed ? RES_OK : unknown(email));
}

enum res
ctl_user_set_disabled(
    PGconn *pg, const char *email, bool disabled, bool *changed)
{
	struct stamp s;
	const char *const params[] = { s.id, s.uid, email };

	stamp(&s);

	return (number(pg, disabled ? sql_disable : sql_enable, NELEM(params),
	    params, changed));
}

static enum res
set(PGconn *pg, const char *sql, int n, const char *email, const char *value)
{
	bool changed;
	struct stamp s;
	const char *const params[] = { s.id, s.uid, email, value };

	stamp(&s);
	if (number(pg, sql, n, params, &changed) != RES_OK)
		return (RES_ERR);

	return (changed ? RES_OK : unknown(email));
}

enum res
ctl_user_set_role(PGconn *pg, const char *email, const char *role)
{
	return (set(pg, sql_role, 4, email, role));
}

enum res
ctl_user_set_scopes(PGconn *pg, const char *email, const char *scopes)
{
	return (set(pg, sql_scopes, 4, email, scopes));
}

enum res
ctl_user_erase(PGconn *pg, const char *email)
{
	return (set(pg, sql_erase, 3, email, NULL));
}

enum res
ctl_admin_exists(PGconn *pg, bool *out)
{
	return (number(pg, sql_admins, 0, NULL, out));
}

PGresult *
ctl_user_rows(PGconn *pg)
{
	return (ctl_query(pg, "user list", sql_rows, 0, NULL));
}

enum res
ctl_user_end_sessions(PGconn *pg, const char *email)
{
	struct stamp s;
	const char *const params[] = { s.id, s.uid, email };
	bool ended;

	stamp(&s);
	if (number(pg, sql_end_sessions, NELEM(params), params, &ended) !=
	    RES_OK)
		return (RES_ERR);

	return (ended ? RES_OK : unknown(email));
}

enum res
ctl_users_end_sessions(PGconn *pg, int *users)
{
	struct stamp s;
	const char *const params[] = { s.id, s.uid };
	PGresult *res;

	stamp(&s);
	res = ctl_query(
	    pg, "sessions", sql_end_all_sessions, NELEM(params), params);
	if (res == NULL)
		return (RES_ERR);
	*users = atoi(PQgetvalue(res, 0, 0));
	PQclear(res);

	return (RES_OK);
}
