/*
 * API keys in the database. A revocation and its audit row are one statement.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

/* $1: an e-mail address in lower case, or null for everybody. */
static const char sql_rows[] =
    "SELECT k.prefix, u.email,"
    " CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'"
    " WHEN k.expires_at <= now() THEN 'expired'"
    " WHEN u.disabled THEN 'user disabled' ELSE 'active' END,"
    " coalesce(to_char(k.expires_at AT TIME ZONE 'UTC',"
    " 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'for good'),"
    " coalesce(to_char(k.last_used_at AT TIME ZONE 'UTC',"
    " 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'never'), k.name,"
    " array_to_string(k.scopes, ' ')"
    " FROM eleusis.api_key AS k"
    " INNER JOIN eleusis.app_user AS u ON u.id = k.user_id"
    " WHERE $1::text IS NULL OR lower(u.email) = $1"
    " ORDER BY lower(u.email), k.id";

static const char sql_live[] =
    "SELECT k.prefix FROM eleusis.api_key AS k"
    " WHERE k.user_id = $1::uuid AND k.revoked_at IS NULL ORDER BY k.id";

static const char sql_find[] =
    "SELECT count(*) FROM eleusis.api_key AS k WHERE k.prefix = $1";

/* $1 the audit row's id, $2 who runs the command, $3 the prefix. */
static const char sql_revoke[] =
    "WITH changed AS ("
    " UPDATE eleusis.api_key AS k SET revoked_at = now(),"
    " updated_at = now(), version = k.version + 1"
    " WHERE k.prefix = $3 AND k.revoked_at IS NULL RETURNING k.id),"
    " noted AS ("
    " INSERT INTO eleusis.audit_event (id, occurred_at, action, outcome,"
    " actor_kind, object_type, object_id, detail)"
    " SELECT $1::uuid, now(), 'api_key.revoke', 'allowed', 'system',"
    " 'api_key', c.id, jsonb_build_object('tool', 'eleusisctl',"
    " 'os_uid', $2::bigint) FROM changed AS c)"
    " SELECT count(*) FROM changed";

PGresult *
ctl_apikey_rows(PGconn *pg, const char *email)
{
	return (ctl_query(pg, "API keys", sql_rows, 1, &email));
}

PGresult *
ctl_apikey_live(PGconn *pg, const char *user_id)
{
	return (ctl_query(pg, "API keys", sql_live, 1, &user_id));
}

enum res
ctl_apikey_exists(PGconn *pg, const char *prefix)
{
	PGresult *res = ctl_query(pg, "API key", sql_find, 1, &prefix);
	bool there;

	if (res == NULL)
		return (RES_ERR);
	there = strcmp(PQgetvalue(res, 0, 0), "0") != 0;
	PQclear(res);
	if (there)
		return (RES_OK);
	ctl_error("there is no API key %s", prefix);
	ctl_hint("eleusisctl api-key list shows them");

	return (RES_ERR);
}

enum res
ctl_apikey_end(PGconn *pg, const char *prefix, bool *changed)
{
	char id[UUID_STRLEN + 1], uid[16];
	const char *const params[] = { id, uid, prefix };
	struct uuid event;
	PGresult *res;

	uuid_v7(&event);
	uuid_format(&event, id);
	(void)snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
	res = ctl_query(pg, "API key", sql_revoke, NELEM(params), params);
	if (res == NULL)
		return (RES_ERR);
	*changed = strcmp(PQgetvalue(res, 0, 0), "0") != 0;
	PQclear(res);

	return (RES_OK);
}
