/*
 * What the database knows of migrations (eleusis.schema_migration), and how
 * one is applied: the whole file and its row in one transaction, so that it
 * is there with its row or not at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

#define PARTITION_MONTHS "24"

static const char sql_table[] =
    "CREATE TABLE IF NOT EXISTS eleusis.schema_migration ("
    " version integer NOT NULL,"
    " name text NOT NULL,"
    " sha256 text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now(),"
    " applied_by text NOT NULL DEFAULT session_user,"
    " CONSTRAINT schema_migration_pkey PRIMARY KEY (version),"
    " CONSTRAINT schema_migration_version_positive CHECK (version >= 1),"
    " CONSTRAINT schema_migration_sha256_form"
    " CHECK (sha256 ~ '^[0-9a-f]{64}$'))";

static const char sql_comments[] =
    "COMMENT ON TABLE eleusis.schema_migration IS"
    " 'Migrations applied by eleusisctl migrate';"
    "COMMENT ON COLUMN eleusis.schema_migration.version IS"
    " 'Number of the file';"
    "COMMENT ON COLUMN eleusis.schema_migration.name IS 'Name of the file';"
    "COMMENT ON COLUMN eleusis.schema_migration.sha256 IS"
    " 'SHA-256 of the file: an applied file may not change';"
    "COMMENT ON COLUMN eleusis.schema_migration.applied_at IS 'When';"
    "COMMENT ON COLUMN eleusis.schema_migration.applied_by IS"
    " 'By which database role'";

static const char sql_applied[] =
    "SELECT version, name, sha256,"
    " to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    " FROM eleusis.schema_migration ORDER BY version";

static const char sql_insert[] =
    "INSERT INTO eleusis.schema_migration (version, name, sha256)"
    " VALUES ($1::integer, $2, $3)";

static const char sql_partitions[] =
    "SELECT eleusis.audit_partitions_ensure(" PARTITION_MONTHS ")";

/* Whether a catalogue look-up by name finds something. */
static enum res
exists(PGconn *pg, const char *sql, bool *out)
{
	PGresult *res;

	res = ctl_query(pg, "migrate", sql, 0, NULL);
	if (res == NULL)
		return (RES_ERR);
	*out = !PQgetisnull(res, 0, 0);
	PQclear(res);

	return (RES_OK);
}

enum res
ctl_migration_table(PGconn *pg)
{
	bool there;
	PGresult *res;

	if (exists(pg, "SELECT to_regclass('eleusis.schema_migration')",
		&there) != RES_OK)
		return (RES_ERR);
	if (there)
		return (RES_OK);
	if (ctl_run(pg, "migrate", "CREATE SCHEMA IF NOT EXISTS eleusis") !=
		RES_OK ||
	    ctl_run(pg, "migrate", sql_table) != RES_OK)
		return (RES_ERR);
	res = PQexec(pg, sql_comments);
	there = PQresultStatus(res) == PGRES_COMMAND_OK;
	PQclear(res);
	if (there)
		return (RES_OK);
	ctl_error("migrate: %s", PQerrorMessage(pg));

	return (RES_ERR);
}

enum res
ctl_applied_read(PGconn *pg, struct ctl_applied *applied)
{
	bool there;

	memset(applied, 0, sizeof(*applied));
	if (exists(pg, "SELECT to_regclass('eleusis.schema_migration')",
		&there) != RES_OK)
		return (RES_ERR);
	if (!there)
		return (RES_OK);
	applied->rows = ctl_query(pg, "migrate", sql_applied, 0, NULL);
	if (applied->rows == NULL)
		return (RES_ERR);
	applied->n = PQntuples(applied->rows);

	return (RES_OK);
}

void
ctl_applied_free(struct ctl_applied *applied)
{
	PQclear(applied->rows);
	memset(applied, 0, sizeof(*applied));
}

const char *
ctl_applied_at(const struct ctl_applied *applied, int i)
{
	return (PQgetvalue(applied->rows, i, 3));
}

/* Rows and files both count from 1 without gaps: row i belongs to file i. */
static enum res
check_one(const struct ctl_applied *applied, int i,
    const struct ctl_migrations *files)
{
	const char *version, *name, *digest;

	version = PQgetvalue(applied->rows, i, 0);
	name = PQgetvalue(applied->rows, i, 1);
	digest = PQgetvalue(applied->rows, i, 2);
	if (atoi(version) != i + 1) {
		ctl_error("the database has migration %s, but not %d", version,
		    i + 1);
		return (RES_ERR);
	}
	if (i >= files->n) {
		ctl_error("%s was applied, but is not here", name);
		ctl_hint("is this an older checkout than the database?");
		return (RES_ERR);
	}
	if (strcmp(digest, files->v[i].sha256) != 0) {
		ctl_error(
		    "%s was changed after it was applied", files->v[i].name);
		ctl_hint("restore it, and put the change into a new file");
		return (RES_ERR);
	}
	if (strcmp(name, files->v[i].name) != 0) {
		ctl_error(
		    "%s was applied under the name %s", files->v[i].name, name);
		ctl_hint("give it its old name");
		return (RES_ERR);
	}

	return (RES_OK);
}

enum res
ctl_applied_check(
    const struct ctl_applied *applied, const struct ctl_migrations *files)
{
	int i;
	enum res res;

	res = RES_OK;
	for (i = 0; i < applied->n; i++) {
		if (check_one(applied, i, files) != RES_OK)
			res = RES_ERR;
	}

	return (res);
}

/* The line of a 1-based character position in UTF-8 text. */
static int
line_of(const char *sql, int position)
{
	int line;

	line = 1;
	for (; *sql != '\0' && position > 1; sql++) {
		line += *sql == '\n';
		/* Count where the next byte begins a character. */
		position -= (sql[1] & 0xc0) != 0x80;
	}

	return (line);
}

static void
tell_failure(const struct ctl_migration *m, const PGresult *res, int statement)
{
	const char *position, *text, *more;

	position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	if (text == NULL)
		text = PQresultErrorMessage(res);
	if (position != NULL)
		ctl_error("%s:%d: %s", m->name, line_of(m->sql, atoi(position)),
		    text);
	else
		ctl_error("%s: statement %d: %s", m->name, statement, text);
	more = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	if (more != NULL)
		ctl_hint("%s", more);
	more = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
	if (more != NULL)
		ctl_hint("%s", more);
	more = PQresultErrorField(res, PG_DIAG_CONTEXT);
	if (more != NULL)
		ctl_hint("%s", more);
	ctl_hint(
	    "%s was rolled back; nothing of it is in the database", m->name);
}

/* Sends the file as one text and takes one result a statement. */
static enum res
run_file(PGconn *pg, const struct ctl_migration *m)
{
	int statement;
	PGresult *res;
	enum res ret;

	if (PQsendQuery(pg, m->sql) != 1) {
		ctl_error("%s: %s", m->name, PQerrorMessage(pg));
		return (RES_ERR);
	}
	ret = RES_OK;
	for (statement = 1; (res = PQgetResult(pg)) != NULL; statement++) {
		switch (PQresultStatus(res)) {
		case PGRES_COMMAND_OK:
		case PGRES_TUPLES_OK:
		case PGRES_EMPTY_QUERY:
			break;
		default:
			tell_failure(m, res, statement);
			ret = RES_ERR;
		}
		PQclear(res);
	}

	return (ret);
}

static enum res
add_row(PGconn *pg, const struct ctl_migration *m)
{
	PGresult *res;
	char version[16];
	const char *const params[] = { version, m->name, m->sha256 };

	snprintf(version, sizeof(version), "%d", m->version);
	res = ctl_query(pg, m->name, sql_insert, NELEM(params), params);
	PQclear(res);

	return (res != NULL ? RES_OK : RES_ERR);
}

enum res
ctl_migration_apply(PGconn *pg, const struct ctl_migration *m)
{
	int64_t start;

	start = time_mono_ms();
	if (ctl_run(pg, m->name, "BEGIN") != RES_OK)
		return (RES_ERR);
	if (run_file(pg, m) != RES_OK) {
		PQclear(PQexec(pg, "ROLLBACK"));
		return (RES_ERR);
	}
	if (PQtransactionStatus(pg) != PQTRANS_INTRANS) {
		ctl_error("%s ends the transaction it is run in", m->name);
		ctl_hint("take BEGIN, COMMIT and ROLLBACK out of it, and see "
			 "by hand what it left behind");
		return (RES_ERR);
	}
	if (add_row(pg, m) != RES_OK)
		return (RES_ERR);
	if (ctl_run(pg, m->name, "COMMIT") != RES_OK)
		return (RES_ERR);
	printf("%-32s applied in %lld ms\n", m->name,
	    (long long)(time_mono_ms() - start));
	fflush(stdout);

	return (RES_OK);
}

enum res
ctl_partitions_ensure(PGconn *pg)
{
	bool there;
	PGresult *res;

	if (exists(pg,
		"SELECT to_regprocedure("
		"'eleusis.audit_partitions_ensure(integer)')",
		&there) != RES_OK)
		return (RES_ERR);
	if (!there)
		return (RES_OK);
	res = ctl_query(pg, "audit partitions", sql_partitions, 0, NULL);
	if (res == NULL)
		return (RES_ERR);
	if (atoi(PQgetvalue(res, 0, 0)) > 0)
		printf("%-32s %s made\n", "audit partitions",
		    PQgetvalue(res, 0, 0));
	PQclear(res);

	return (RES_OK);
}
