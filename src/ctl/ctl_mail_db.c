/*
 * The outbox, for eleusisctl.
 */
#include <sodium.h>
#include <stdlib.h>

#include "ctl/ctl.h"
#include "mail/mail.h"

/* $3: the sealed text in hexadecimal. */
static const char sql_queue[] =
    "SELECT eleusis.mail_queue($1::uuid, $2, decode($3, 'hex'))";

static const char sql_rows[] =
    "SELECT to_char(o.created_at AT TIME ZONE 'UTC',"
    " 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), o.kind,"
    " CASE WHEN o.sent_at IS NOT NULL THEN 'sent'"
    " WHEN o.failed_at IS NOT NULL THEN 'given up'"
    " WHEN o.lease_until > now() THEN 'sending' ELSE 'waiting' END,"
    " o.attempts, coalesce(o.last_error, '')"
    " FROM eleusis.outbox AS o ORDER BY o.created_at DESC LIMIT 50";

enum res
ctl_mail_queue(PGconn *pg, const struct mail_row *row)
{
	char id[UUID_STRLEN + 1];
	char *hex = malloc(2 * row->len + 1);
	const char *const params[] = { id, row->kind, hex };
	PGresult *res;

	if (hex == NULL) {
		ctl_error("out of memory");
		return (RES_ERR);
	}
	uuid_format(&row->id, id);
	sodium_bin2hex(hex, 2 * row->len + 1, row->sealed, row->len);
	res = ctl_query(pg, "outbox", sql_queue, NELEM(params), params);
	free(hex);
	PQclear(res);

	return (res != NULL ? RES_OK : RES_ERR);
}

PGresult *
ctl_mail_rows(PGconn *pg)
{
	return (ctl_query(pg, "outbox", sql_rows, 0, NULL));
}
