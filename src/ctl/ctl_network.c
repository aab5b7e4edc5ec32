/*
 * The network rules from the machine itself: for whoever has shut out every
 * administrator. Workers follow as they follow any change.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

static const char sql_rows[] =
    "SELECT r.position, r.action, r.network,"
    " coalesce(to_char(r.expires_at AT TIME ZONE 'UTC',"
    " 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'for good'), coalesce(r.note, '')"
    " FROM eleusis.network_rule AS r WHERE r.removed_at IS NULL"
    " AND (r.expires_at IS NULL OR r.expires_at > now())"
    " ORDER BY r.position, r.id";

/* The change and its audit row; $1 the row's id, $2 who runs the command. */
static const char sql_clear[] =
    "WITH next AS ("
    " UPDATE eleusis.network_rule_list AS l SET revision = l.revision + 1"
    " WHERE EXISTS (SELECT FROM eleusis.network_rule AS r"
    " WHERE r.removed_at IS NULL) RETURNING l.revision),"
    " changed AS ("
    " UPDATE eleusis.network_rule AS r SET removed_at = now(),"
    " updated_at = now(), revision = n.revision"
    " FROM next AS n WHERE r.removed_at IS NULL RETURNING r.id),"
    " noted AS ("
    " INSERT INTO eleusis.audit_event (id, occurred_at, action, outcome,"
    " actor_kind, detail)"
    " SELECT $1::uuid, now(), 'network.clear', 'allowed', 'system',"
    " jsonb_build_object('tool', 'eleusisctl', 'os_uid', $2::bigint,"
    " 'revision', n.revision, 'count', (SELECT count(*) FROM changed))"
    " FROM next AS n)"
    " SELECT count(*) FROM changed";

enum ctl_exit
ctl_network_list(const struct ctl_args *args UNUSED)
{
	PGconn *pg = ctl_connect();
	PGresult *res;

	if (pg == NULL)
		return (CTL_FAILED);
	res = ctl_query(pg, "network rules", sql_rows, 0, NULL);
	for (int i = 0; res != NULL && i < PQntuples(res); i++)
		printf("%10s  %-5s  %-43s  %-20s  %s\n", PQgetvalue(res, i, 0),
		    PQgetvalue(res, i, 1), PQgetvalue(res, i, 2),
		    PQgetvalue(res, i, 3), PQgetvalue(res, i, 4));
	if (res != NULL && PQntuples(res) == 0)
		printf("no rules: requests are taken from everywhere\n");
	PQclear(res);
	PQfinish(pg);

	return (res != NULL ? CTL_DONE : CTL_FAILED);
}

enum ctl_exit
ctl_network_clear(const struct ctl_args *args UNUSED)
{
	char id[UUID_STRLEN + 1], uid[16];
	const char *const params[] = { id, uid };
	PGconn *pg = ctl_connect();
	struct uuid event;
	PGresult *res;

	if (pg == NULL)
		return (CTL_FAILED);
	uuid_v7(&event);
	uuid_format(&event, id);
	(void)snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
	res = ctl_query(pg, "network rules", sql_clear, NELEM(params), params);
	if (res != NULL)
		printf("%s rules removed\n", PQgetvalue(res, 0, 0));
	PQclear(res);
	PQfinish(pg);

	return (res != NULL ? CTL_DONE : CTL_FAILED);
}
