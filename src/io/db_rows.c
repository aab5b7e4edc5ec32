/*
 * Results in binary format, and what a failed statement means. A column is
 * read as the type its statement selects; a mismatch is a bug and asserts.
 */
#include <assert.h>
#include <string.h>

#include "io/io_priv.h"

#define PG_EPOCH_US INT64_C(946684800000000)

struct db_rows {
	PGresult *res;
};

static void
rows_clear(void *arg)
{
	PQclear(arg);
}

struct db_rows *
db_rows_new(struct env *env, PGresult *res)
{
	struct db_rows *rows = arena_alloc(env->arena, sizeof(*rows));

	rows->res = res;
	env->sqlstate[0] = '\0';
	arena_defer(env->arena, rows_clear, res);
	return (rows);
}

enum res
db_rows_error(struct env *env, PGresult *res, const char *stmt)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	(void)snprintf(env->sqlstate, sizeof(env->sqlstate), "%s",
	    state != NULL ? state : "XX000");
	db_counters.failures++;
	/* The message may quote row values: only the state is logged. */
	err_private(
	    &env->err, "statement %s failed: SQLSTATE %s", stmt, env->sqlstate);
	PQclear(res);
	if (strcmp(env->sqlstate, "57014") == 0)
		db_counters.timeouts++;
	/* 57014 statement_timeout, 57P0x shutdown, 53xxx no resources,
	 * 55P03 lock_timeout, 25006 read-only: passing troubles. */
	if (strncmp(env->sqlstate, "57", 2) == 0 ||
	    strncmp(env->sqlstate, "53", 2) == 0 ||
	    strcmp(env->sqlstate, "55P03") == 0 ||
	    strcmp(env->sqlstate, "25006") == 0)
		return (db_unavailable(env, env->sqlstate));
	return (err_fail(&env->err, PROBLEM_INTERNAL,
	    "The request could not be carried out."));
}

const char *
db_sqlstate(const struct env *env)
{
	return (env->sqlstate);
}

int
db_count(const struct db_rows *rows)
{
	return (PQntuples(rows->res));
}

bool
db_is_null(const struct db_rows *rows, int row, int col)
{
	return (PQgetisnull(rows->res, row, col) != 0);
}

static const uint8_t *
cell(const struct db_rows *rows, int row, int col, int len)
{
	assert(row < PQntuples(rows->res) && col < PQnfields(rows->res));
	assert(len == 0 || PQgetlength(rows->res, row, col) == len);
	return ((const uint8_t *)PQgetvalue(rows->res, row, col));
}

bool
db_col_bool(const struct db_rows *rows, int row, int col)
{
	return (*cell(rows, row, col, 1) != 0);
}

int32_t
db_col_int4(const struct db_rows *rows, int row, int col)
{
	return ((int32_t)get_be32(cell(rows, row, col, 4)));
}

int64_t
db_col_int8(const struct db_rows *rows, int row, int col)
{
	return ((int64_t)get_be64(cell(rows, row, col, 8)));
}

double
db_col_float8(const struct db_rows *rows, int row, int col)
{
	uint64_t bits = get_be64(cell(rows, row, col, 8));
	double d;

	memcpy(&d, &bits, sizeof(d));
	return (d);
}

int64_t
db_col_time(const struct db_rows *rows, int row, int col)
{
	return (db_col_int8(rows, row, col) + PG_EPOCH_US);
}

const char *
db_col_text(const struct db_rows *rows, int row, int col)
{
	return ((const char *)cell(rows, row, col, 0));
}

const void *
db_col_bytes(const struct db_rows *rows, int row, int col, size_t *len)
{
	*len = (size_t)PQgetlength(rows->res, row, col);
	return (cell(rows, row, col, 0));
}

void
db_col_uuid(const struct db_rows *rows, int row, int col, struct uuid *out)
{
	memcpy(out->b, cell(rows, row, col, 16), 16);
}
