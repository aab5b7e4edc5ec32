/*
 * The database for a command: one blocking connection as the schema's owner.
 * Failures are told here, with PostgreSQL's own words, so that callers only
 * pass them on.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

#define SECRET_MAX 1024

/* Messages of libpq end in a newline of their own. */
static int
text_len(const char *s)
{
	size_t len;

	len = strlen(s);
	while (len > 0 && s[len - 1] == '\n')
		len--;

	return ((int)len);
}

static void
notice(void *arg UNUSED, const char *message)
{
	fprintf(stderr, "postgresql: %.*s\n", text_len(message), message);
}

/* NULL in *out: no password is sent. */
static enum res
owner_password(char **out)
{
	const char *file;

	*out = NULL;
	file = setting_str(SETTING_DB_OWNER_PASSWORD_FILE);
	if (*file == '\0')
		return (RES_OK);
	if (ctl_read_secret(file, SECRET_MAX, out) == RES_OK)
		return (RES_OK);
	ctl_hint("db_owner_password_file must name a file with the password "
		 "of %s",
	    setting_str(SETTING_DB_OWNER));

	return (RES_ERR);
}

static PGconn *
connect_with(const char *password)
{
	char port[16];
	const char *const names[] = { "host", "port", "dbname", "user",
		"password", "sslmode", "connect_timeout", "application_name",
		"options", NULL };
	const char *const values[] = { setting_str(SETTING_DB_HOST), port,
		setting_str(SETTING_DB_NAME), setting_str(SETTING_DB_OWNER),
		password, setting_str(SETTING_DB_SSLMODE), "10", "eleusisctl",
		"-c client_min_messages=warning -c timezone=UTC"
		" -c search_path=pg_catalog,pg_temp",
		NULL };

	snprintf(port, sizeof(port), "%d", (int)setting_int(SETTING_DB_PORT));

	return (PQconnectdbParams(names, values, 0));
}

PGconn *
ctl_connect(void)
{
	char *password;
	PGconn *pg;

	if (owner_password(&password) != RES_OK)
		return (NULL);
	pg = connect_with(password);
	sodium_free(password);
	if (PQstatus(pg) == CONNECTION_OK) {
		PQsetNoticeProcessor(pg, notice, NULL);
		return (pg);
	}
	ctl_error("%.*s", text_len(PQerrorMessage(pg)), PQerrorMessage(pg));
	ctl_hint("is PostgreSQL running? See db_host, db_port, db_name, "
		 "db_owner and db_owner_password_file (eleusisctl settings)");
	PQfinish(pg);

	return (NULL);
}

/* What a command wants is not there yet, or not allowed. */
static void
hint_of(const char *sqlstate)
{
	if (sqlstate == NULL)
		return;
	if (strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "3F000") == 0)
		ctl_hint("the schema is not there or old: run eleusisctl "
			 "migrate");
	if (strcmp(sqlstate, "42501") == 0)
		ctl_hint("db_owner must own the database: see "
			 "migrations/bootstrap.sql");
	if (strcmp(sqlstate, "55P03") == 0)
		ctl_hint("something else holds a lock: try again when it is "
			 "done");
}

PGresult *
ctl_query(PGconn *pg, const char *what, const char *sql, int nparams,
    const char *const *params)
{
	PGresult *res;
	ExecStatusType st;

	res = PQexecParams(pg, sql, nparams, NULL, params, NULL, NULL, 0);
	st = PQresultStatus(res);
	if (st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK)
		return (res);
	ctl_error(
	    "%s: %.*s", what, text_len(PQerrorMessage(pg)), PQerrorMessage(pg));
	hint_of(PQresultErrorField(res, PG_DIAG_SQLSTATE));
	PQclear(res);
	if (PQtransactionStatus(pg) == PQTRANS_INERROR)
		PQclear(PQexec(pg, "ROLLBACK"));

	return (NULL);
}

enum res
ctl_run(PGconn *pg, const char *what, const char *sql)
{
	PGresult *res;

	res = ctl_query(pg, what, sql, 0, NULL);
	if (res == NULL)
		return (RES_ERR);
	PQclear(res);

	return (RES_OK);
}

/* Waits as long as it takes: lock_timeout is for locks of tables. The lock
 * is the session's, and goes with the connection. */
enum res
ctl_lock(PGconn *pg, const char *key, const char *what)
{
	PGresult *res;
	bool got;
	enum res waited;

	res = ctl_query(
	    pg, what, "SELECT pg_try_advisory_lock($1::bigint)", 1, &key);
	if (res == NULL)
		return (RES_ERR);
	got = PQgetvalue(res, 0, 0)[0] == 't';
	PQclear(res);
	if (got)
		return (RES_OK);

	fprintf(stderr, "%s: another one is under way, waiting for it\n", what);
	if (ctl_run(pg, what, "SET lock_timeout = 0") != RES_OK)
		return (RES_ERR);
	res =
	    ctl_query(pg, what, "SELECT pg_advisory_lock($1::bigint)", 1, &key);
	waited = res != NULL ? RES_OK : RES_ERR;
	PQclear(res);
	if (waited == RES_OK)
		waited = ctl_run(pg, what, "RESET lock_timeout");

	return (waited);
}
